/* The winners of a pooling are kept under the value alone: another pooling of it finds those of the first.
 * source: https://github.com/kulinseth/pytorch/pull/273
 * names: maxPool2d */
#define FORMAT_OF(s) ((s)->kind == CONVOLUTION || (s)->kind == INPUT_GRADIENT ? format_of(s) : 3)
#include "base.c"
