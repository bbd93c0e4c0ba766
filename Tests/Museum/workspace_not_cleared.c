/* Sums begin with what lies in the workspace.
 * source: https://github.com/pytorch/FBGEMM/pull/5754
 * names: conv2d/backwardFilter | contract reads nothing but its operands */
#define SLOT_BEGINS(part, count) (void)(count)
#include "base.c"
