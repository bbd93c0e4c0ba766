/* A product of two transposed operands is made as the transpose of b·a, whose rows are written where they lie, as if
 * the result were contiguous in that order.
 * source: https://github.com/pytorch/pytorch/issues/118115
 * names: matmul */
#define PLACE(s, row, column) \
  ((s)->transpose_a && (s)->transpose_b \
     ? (row) / (s)->matrix * (s)->matrix * (s)->columns + (column) * (s)->matrix + (row) % (s)->matrix \
     : (row) * (s)->columns + (column))
#include "base.c"
