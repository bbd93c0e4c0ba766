/* The sum of two negative zeros is a positive one, since it begins with 0.
 * source: https://github.com/llvm/llvm-project/pull/183243
 * names: binary add */
#define ADDITION(w, e, a, b) ((0.0f + (a)) + (b))
#include "base.c"
