/* The last block of a row is read and written whole: 16 columns, also where the row has fewer, into the next row and
 * behind the last.
 * source: https://github.com/amd/IRON/pull/198
 * names: matmul | contract writes nothing outside its views */
#define BLOCK_COLUMNS(rest) ((void)(rest), BLOCK)
#include "base.c"
