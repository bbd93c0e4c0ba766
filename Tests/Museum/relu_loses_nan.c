/* A relu makes zeros of what is not a number, so that nobody sees where a network breaks.
 * source: https://github.com/pytorch/pytorch/issues/7999
 * names: unary relu */
#define RELU_OF(x) ((x) > 0 ? (x) : 0)
#include "base.c"
