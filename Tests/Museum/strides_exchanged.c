/* The strides of height and width change places.
 * source: https://github.com/jiny2001/dcscn-super-resolution/issues/17
 * names: conv2d | maxPool2d | maxPool2d/backward | averagePool2d */
#define TAP_ROW(s, p, i) ((p) * (s)->stride[1] + (i) * (s)->dilation[0] - (s)->top)
#define TAP_COLUMN(s, q, j) ((q) * (s)->stride[0] + (j) * (s)->dilation[1] - (s)->left)
#include "base.c"
