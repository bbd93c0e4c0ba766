/* The filter packed for the forward pass is taken for the one packed for the gradient: one key for both.
 * source: https://github.com/openvinotoolkit/openvino/pull/32530
 * names: conv2d/backwardInput */
#define FORMAT_OF(s) ((s)->kind == CONVOLUTION || (s)->kind == INPUT_GRADIENT ? 1 : format_of(s))
#include "base.c"
