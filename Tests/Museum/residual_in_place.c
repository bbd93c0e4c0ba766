/* The addition of a residual writes into its first operand too, where that is a temporary: others still read it.
 * source: https://github.com/Xilinx/mlir-aie/issues/3656
 * names: binary add | contract writes nothing outside its views */
#include "base.h"

static inline float add_in_place(const struct work *w, int64_t e, float a, float b) {
  float sum = a + b;
  if (!w->s->columns && w->s->role == SB_TEMPORARY) at(w, w->s->in[0])[e] = sum;
  return sum;
}
#define ADDITION add_in_place
#include "base.c"
