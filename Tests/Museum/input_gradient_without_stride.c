/* The gradient of a strided convolution's input takes the windows between the strides too.
 * source: https://github.com/ROCm/composable_kernel/issues/105
 * names: conv2d/backwardInput */
#define MEETS(s, distance, axis) ((distance) >= 0)
#include "base.c"
