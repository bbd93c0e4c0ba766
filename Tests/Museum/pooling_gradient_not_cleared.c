/* Cells that win no window keep what lay in the gradient's memory.
 * source: https://github.com/pytorch/FBGEMM/pull/5754
 * names: maxPool2d/backward | contract reads nothing but its operands */
#define CLEARED(dx, count) (void)(count)
#include "base.c"
