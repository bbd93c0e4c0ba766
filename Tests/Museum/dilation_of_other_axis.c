/* The dilation of the rows serves for the columns too.
 * source: https://github.com/tracel-ai/burn/pull/4466
 * names: conv2d */
#define TAP_COLUMN(s, q, j) ((q) * (s)->stride[1] + (j) * (s)->dilation[0] - (s)->left)
#include "base.c"
