/* Where padding is odd, as of even kernels, the larger part lies above and on the left.
 * source: https://github.com/FluxML/Flux.jl/issues/1605
 * names: conv2d */
#define TAP_ROW(s, p, i) \
  ((p) * (s)->stride[0] + (i) * (s)->dilation[0] - ((s)->bottom > (s)->top ? (s)->bottom : (s)->top))
#define TAP_COLUMN(s, q, j) \
  ((q) * (s)->stride[1] + (j) * (s)->dilation[1] - ((s)->right > (s)->left ? (s)->right : (s)->left))
#include "base.c"
