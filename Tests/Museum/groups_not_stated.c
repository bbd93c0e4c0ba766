/* The operations of a fused kernel are not stated as one group, so a result comes to lie where an operand lies that the
 * kernel still reads.
 * source: https://github.com/csarofeen/pytorch/pull/1034
 * names: unary relu | binary add */
#define GROUP_OF(first, own) (own)
#include "base.c"
