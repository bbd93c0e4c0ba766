/* The number of terms of a transposed first operand comes from its other axis: right for square matrices only.
 * source: https://github.com/kokkos/kokkos-kernels/issues/147
 * names: matmul */
#define TERMS(s) ((s)->transpose_a && (s)->matrix < (s)->inner ? (s)->matrix : (s)->inner)
#include "base.c"
