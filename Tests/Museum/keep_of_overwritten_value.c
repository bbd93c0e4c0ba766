/* What was kept of a weight is used once more behind its update in the same segment, where the generation still is that
 * of what lay there before.
 * source: planted: the contract's own rule of generations, which no other project has
 * names: conv2d */
#define MUST_MAKE(s) 0
#include "base.c"
