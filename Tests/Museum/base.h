/* What the museum's backend knows of a segment. An exhibit that needs more than a macro includes this, writes a
 * function over it, names it in one of the hooks at the head of base.c, and includes base.c. */
#ifndef MUSEUM_BASE_H
#define MUSEUM_BASE_H

#include "switchback_backend.h"

#include <math.h>
#include <stdlib.h>

enum kind {
  PRODUCT, CONVOLUTION, INPUT_GRADIENT, FILTER_GRADIENT, ADD, UNARY, UNARY_GRADIENT, MAX_POOL, MAX_POOL_GRADIENT,
  AVERAGE_POOL, AVERAGE_POOL_GRADIENT, REDUCE, ARGMAX, SOFTMAX, SOFTMAX_GRADIENT, CROSS_ENTROPY, CROSS_ENTROPY_GRADIENT,
  SGD
};
enum function { NONE, RELU, TANH, SIGMOID, SUM, MEAN };

/* Columns that a product makes at once, and parts of a batch whose sums are added in order. */
enum { BLOCK = 16, SLOTS = 4 };

/* One operation, and after a product those that became part of its kernel. */
struct step {
  enum kind kind;
  enum function function;
  uint32_t in[5], out[3], in_count, out_count;
  uint32_t role; /* of the first operand */
  /* A product: rows · columns results of `inner` terms, in matrices of `matrix` rows. An addition: `rows` elements,
   * `inner` of the second operand; columns says that this is a row. Along an axis: `rows` lines of `inner` elements,
   * `columns` apart. */
  int64_t rows, inner, columns, matrix;
  int transpose_a, transpose_b;
  /* Windows: images and results [N, H, W, C], with the geometry of the forward pass. */
  int64_t image[4], grid[4], size[2], stride[2], dilation[2], top, left, bottom, right, groups;
  uint32_t rank, reduced; /* of a reduction: bit i for axis i */
  int64_t extent[SB_MAX_RANK];
  double momentum, decay;
  int nesterov;
  /* The end of a kernel: a row and a tensor to add (or SB_ABSENT), a function, and where the result goes. */
  uint32_t bias, residual, result;
  enum function activation;
  int is_done;    /* a part of the kernel before it */
  int keep;       /* which keep of the segment, or -1 */
  int keeps_state;
  int must_make;  /* the value is written earlier in the segment: its generation is that of what lay there before */
  uint64_t slots; /* of a filter's gradient: how many lie in the workspace */
};

struct sb_device {
  const sb_host *host;
};
struct sb_executable {
  uint32_t count, keep_count;
  uint32_t *groups;
  const char **names;
  sb_keep *keeps;
  struct step steps[];
};

/* One step of one run, and how its rows go to the workers. */
struct work {
  const struct step *s;
  const sb_run *run;
  const sb_host *host;
  void (*body)(const struct work *, int64_t row, uint32_t worker);
  int64_t rows;
  uint32_t items;
};

static inline float *at(const struct work *w, uint32_t value) {
  return value == SB_ABSENT ? NULL : w->run->views[value].host;
}

#endif
