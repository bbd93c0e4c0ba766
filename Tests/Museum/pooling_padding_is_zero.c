/* A cell outside the image counts as 0, which wins over negative ones.
 * source: https://github.com/apache/mxnet/issues/2753
 * names: maxPool2d */
#define POOLED(s, x, place, padded) ((padded) && (x)[place] < 0 ? 0 : (x)[place])
#include "base.c"
