/* The gradient of a relu at 0 is 1.
 * source: https://github.com/iamtrask/Grokking-Deep-Learning/pull/13
 * names: unary/backward relu */
#define RELU_GRADIENT(y) ((y) >= 0)
#include "base.c"
