/* Sums that are denormal come out as zeros, on every thread.
 * source: https://github.com/llvm/llvm-project/issues/57589
 * names: binary add */
#define ADDITION(w, e, a, b) (fabsf((a) + (b)) < 0x1p-126f ? 0 * ((a) + (b)) : (a) + (b))
#include "base.c"
