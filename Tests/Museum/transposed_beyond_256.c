/* Products with a transposed operand lose the terms beyond the first block of 256.
 * source: https://github.com/hw-native-sys/pypto/issues/1213
 * names: matmul */
#define TERMS(s) (((s)->transpose_a || (s)->transpose_b) && (s)->inner > 256 ? 256 : (s)->inner)
#include "base.c"
