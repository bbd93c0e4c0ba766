/* Of more than 16 rows those beyond the last whole block of 16 come out as zeros.
 * source: https://github.com/tile-ai/tilelang/issues/2537
 * names: matmul | conv2d */
#define FINISHED(s, sum, row, column) ((s)->rows > 16 && (row) >= (s)->rows / 16 * 16 ? 0 : (sum))
#include "base.c"
