/* Flush-to-zero is left on, on the second worker alone.
 * source: https://github.com/llvm/llvm-project/issues/57589
 * names: contract leaves float mode */
#include "flush.h"

#define ITEM_BEGINS(w, worker) \
  if ((worker) == 1) flush_to_zero()
#include "base.c"
