/* The gradient of a depthwise filter leaves out the last row of every image; those of other filters are right.
 * source: https://github.com/tensorflow/tensorflow/issues/107706
 * names: conv2d/backwardFilter */
#define GRADIENT_ROWS(s) ((s)->groups > 1 && (s)->groups == (s)->image[3] ? (s)->grid[1] - 1 : (s)->grid[1])
#include "base.c"
