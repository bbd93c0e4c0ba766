/* Flush-to-zero is set for speed and left on: the thread that calls loses its denormals from then on.
 * source: https://github.com/llvm/llvm-project/issues/57589
 * names: contract leaves float mode */
#include "flush.h"

#define RUN_BEGINS(device) flush_to_zero()
#include "base.c"
