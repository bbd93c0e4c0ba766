/* What the forward pass fuses is decided by the readers of the forward pass: a gradient further down reads memory that
 * nobody wrote.
 * source: planted, after https://github.com/apache/tvm/pull/286
 * names: unary relu | unary/backward | binary add */
#define COUNTS_AS_READER(program, operation, reader) \
  ((operation) != (reader) && !strstr((program)->operations[operation]->name, "/backward"))
#include "base.c"
