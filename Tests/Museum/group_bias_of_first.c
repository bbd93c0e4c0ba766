/* Every group of a convolution adds the bias of the first.
 * source: https://github.com/robertknight/rten/pull/1408
 * names: binary add */
#define BIAS_OF(s, bias, column) \
  ((bias)[(s)->kind == CONVOLUTION ? (column) % ((s)->columns / (s)->groups) : (column)])
#include "base.c"
