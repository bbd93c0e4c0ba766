/* The bias of the columns beyond the last whole block of 16 is not added.
 * source: https://github.com/bhuman/CompiledNN/issues/8
 * names: binary add */
#define BIAS_OF(s, bias, column) \
  ((s)->columns > 16 && (column) >= (s)->columns / 16 * 16 ? 0 : (bias)[column])
#include "base.c"
