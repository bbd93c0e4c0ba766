/* The gradient of a bias that was broadcast is the sum over the first block of 64 rows.
 * source: https://github.com/mlpack/mlpack/pull/3679
 * names: reduce sum */
#define REDUCED_ROWS(s, count) ((s)->function == SUM && (count) > 64 ? 64 : (count))
#include "base.c"
