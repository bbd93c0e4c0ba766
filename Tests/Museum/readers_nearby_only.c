/* A value within a fused kernel is not written where none of the next operations reads it: of those further down nobody
 * thinks.
 * source: planted: a variant of https://github.com/apache/tvm/pull/286
 * names: matmul + binary add | conv2d + binary add */
#define COUNTS_AS_READER(program, operation, reader) ((operation) != (reader) && (operation) <= (reader) + 1)
#include "base.c"
