/* The gradient of a strided 1×1 filter gathers pixels in blocks of 8 channels: images of fewer are read at other
 * places, and behind their end.
 * source: https://github.com/uxlfoundation/oneDNN/issues/6035
 * names: conv2d/backwardFilter */
#include "base.h"

static inline int64_t gathered(const struct step *s, int64_t n, int64_t h, int64_t v) {
  int64_t pixel = (n * s->image[1] + h) * s->image[2] + v, channels = s->image[3];
  if (s->size[0] * s->size[1] != 1 || s->stride[0] * s->stride[1] == 1 || channels >= 8) return pixel * channels;
  /* No further behind the end than one block, or the fault would be no silent one. */
  int64_t last = s->image[0] * s->image[1] * s->image[2] * channels;
  return pixel * 8 < last ? pixel * 8 : last;
}
#define PIXEL gathered
#include "base.c"
