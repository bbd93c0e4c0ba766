/* A product that is added to itself is taken for a residual: the other operand is the memory that fusing left
 * unwritten.
 * source: planted: a corner of fusing residuals, found while base.c was written
 * names: binary add */
#define READS_ITSELF(after, value) 0
#include "base.c"
