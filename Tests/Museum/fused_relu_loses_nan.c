/* A relu by itself keeps NaN, the one at the end of a product loses it.
 * source: https://github.com/tensorflow/tensorflow/issues/40072
 * names: unary relu */
#define FUSED(s, x) ((s)->activation != RELU ? apply((s)->activation, x) : (x) > 0 ? (x) : 0)
#include "base.c"
