/* A batch of products multiplies with the second operand's first matrix only.
 * source: https://github.com/gradium-ai/xn/pull/50
 * names: matmul */
#define MATRIX(s, row) 0
#include "base.c"
