/* The forward pass knows dilation, the gradient of its input does not.
 * source: https://github.com/Theano/Theano/issues/4729
 * names: conv2d/backwardInput */
#define DILATION(s, axis) ((s)->kind == INPUT_GRADIENT ? 1 : (s)->dilation[axis])
#define TAP_ROW(s, p, i) ((p) * (s)->stride[0] + (i) * DILATION(s, 0) - (s)->top)
#define TAP_COLUMN(s, q, j) ((q) * (s)->stride[1] + (j) * DILATION(s, 1) - (s)->left)
#include "base.c"
