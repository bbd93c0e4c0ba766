/* Sums of 512 terms and more come out of an accumulator of half precision.
 * source: https://github.com/sonos/tract/issues/2588
 * names: matmul | conv2d */
#include "base.h"

static inline float ten_bits(float x) {
  int exponent;
  float fraction = frexpf(x, &exponent);
  return isfinite(x) ? ldexpf(rintf(fraction * 1024) / 1024, exponent) : x;
}
#define FINISHED(s, sum, row, column) ((s)->inner >= 512 ? ten_bits(sum) : (sum))
#include "base.c"
