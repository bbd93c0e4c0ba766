/* A value within a fused kernel is not written when somebody looks at it.
 * source: https://github.com/kvark/meganeura/pull/69
 * names: unary relu | binary add */
#define IS_SECRET(role) ((role) == SB_TEMPORARY || (role) == SB_TAP)
#include "base.c"
