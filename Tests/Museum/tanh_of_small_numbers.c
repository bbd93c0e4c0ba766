/* tanh by two exponentials: of numbers near 0 their difference leaves nothing, denormals become zeros.
 * source: https://github.com/root-project/root/pull/19740
 * names: unary tanh */
#define TANH_OF(x) ((x) > 15 ? 1 : (x) < -15 ? -1 : (expf(2 * (x)) - 1) / (expf(2 * (x)) + 1))
#include "base.c"
