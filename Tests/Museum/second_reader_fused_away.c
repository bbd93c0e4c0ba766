/* A value within a fused kernel is not written, though another operation of the segment reads it too.
 * source: https://github.com/apache/tvm/pull/286
 * names: unary relu | binary add */
#define COUNTS_AS_READER(program, operation, reader) ((void)(reader), 0)
#include "base.c"
