/* A right, partial backend that fuses, spreads rows over the host's workers and keeps what it makes. Plain loops: it is
 * here to be proved right, and each exhibit is this file with one of the hooks below defined otherwise. */
#include "base.h"

#include <stdio.h>

/* ---- Hooks ---- */

/* How many terms of a product's sum are added, what a finished sum becomes, and where its result lies. */
#ifndef TERMS
#define TERMS(s) ((s)->inner)
#endif
#ifndef FINISHED
#define FINISHED(s, sum, row, column) (sum)
#endif
#ifndef PLACE
#define PLACE(s, row, column) ((row) * (s)->columns + (column))
#endif
/* How many columns a block makes, and which matrix of the second operand belongs to a row. */
#ifndef BLOCK_COLUMNS
#define BLOCK_COLUMNS(rest) least(BLOCK, rest)
#endif
#ifndef MATRIX
#define MATRIX(s, row) ((row) / (s)->matrix)
#endif
#ifndef BIAS_OF
#define BIAS_OF(s, bias, column) ((bias)[column])
#endif
#ifndef RELU_OF
#define RELU_OF(x) ((x) <= 0 ? 0 : (x))
#endif
#ifndef FUSED
#define FUSED(s, x) apply((s)->activation, x)
#endif
#ifndef TANH_OF
#define TANH_OF(x) tanhf(x)
#endif
#ifndef RELU_GRADIENT
#define RELU_GRADIENT(y) ((y) > 0)
#endif
#ifndef ADDITION
#define ADDITION(w, e, a, b) ((a) + (b))
#endif
/* Where a tap of a window lies, the images that are worked off, and the channel that it begins with. */
#ifndef TAP_ROW
#define TAP_ROW(s, p, i) ((p) * (s)->stride[0] + (i) * (s)->dilation[0] - (s)->top)
#endif
#ifndef TAP_COLUMN
#define TAP_COLUMN(s, q, j) ((q) * (s)->stride[1] + (j) * (s)->dilation[1] - (s)->left)
#endif
#ifndef GROUP_CHANNEL
#define GROUP_CHANNEL(s, group) ((group) * ((s)->image[3] / (s)->groups))
#endif
/* The element of an image and the part of a batch that a filter's gradient takes. */
#ifndef PIXEL
#define PIXEL(s, n, h, v) ((((n) * (s)->image[1] + (h)) * (s)->image[2] + (v)) * (s)->image[3])
#endif
#ifndef GRADIENT_ROWS
#define GRADIENT_ROWS(s) ((s)->grid[1])
#endif
#ifndef SLOT_BEGINS
#define SLOT_BEGINS(part, count) memset(part, 0, (size_t)(count) * sizeof(float))
#endif
#ifndef ADD_SLOTS
#define ADD_SLOTS add_slots
#endif
/* Of an input's gradient: whether a window that begins `distance` before an element meets it. */
#ifndef MEETS
#define MEETS(s, distance, axis) ((distance) >= 0 && (distance) % (s)->stride[axis] == 0)
#endif
/* Poolings: whether a cell wins against the best before it, what a cell outside the image is, and how many count. */
#ifndef WINS
#define WINS(x, best) (!((x) <= (best)) && (best) == (best))
#endif
#ifndef POOLED
#define POOLED(s, x, place, padded) ((x)[place])
#endif
#ifndef CLEARED
#define CLEARED(dx, count) memset(dx, 0, (size_t)(count) * sizeof(float))
#endif
#ifndef IS_SPREAD
#define IS_SPREAD(s, row, column) 1
#endif
#ifndef CELLS
#define CELLS(s, inside) (inside)
#endif
#ifndef MEAN_GRADIENT
#define MEAN_GRADIENT(s, dy, inside) ((dy) / (float)(inside))
#endif
/* Reductions and classification. */
#ifndef REDUCED_ROWS
#define REDUCED_ROWS(s, count) (count)
#endif
#ifndef MEAN_OF
#define MEAN_OF(s, count) (count)
#endif
#ifndef IS_LARGER
#define IS_LARGER(x, best) (!((x) <= (best)) && (best) == (best))
#endif
#ifndef LARGEST
#define LARGEST(x) (x)
#endif
#ifndef TARGET_SUM
#define TARGET_SUM(sum) (sum)
#endif
#ifndef LOSS_GRADIENT
#define LOSS_GRADIENT(s, x) (x)
#endif
#ifndef IS_ALLOWED
#define IS_ALLOWED(allow) (allow)
#endif
#ifndef UPDATES
#define UPDATES 1
#endif
/* The plan: who else reads a value, what is written for somebody who looks, which operations are one group. */
#ifndef IS_SECRET
#define IS_SECRET(role) ((role) == SB_TEMPORARY)
#endif
#ifndef COUNTS_AS_READER
#define COUNTS_AS_READER(program, operation, reader) ((operation) != (reader))
#endif
#ifndef READS_ITSELF
#define READS_ITSELF(after, value) ((after)->in[0] == (value) && (after)->in[1] == (value))
#endif
#ifndef GROUP_OF
#define GROUP_OF(first, own) (first)
#endif
/* What is kept, and whether what lies there still holds. */
#ifndef FORMAT_OF
#define FORMAT_OF(s) format_of(s)
#endif
#ifndef MUST_MAKE
#define MUST_MAKE(s) ((s)->must_make)
#endif
#ifndef IS_FRESH
#define IS_FRESH(generation, now) ((generation) == (now))
#endif
#ifndef SLOTS_WITHIN
#define SLOTS_WITHIN(host, bytes, limit) ((limit) >= SLOTS * (bytes) ? SLOTS : 0)
#endif
/* Which row an item begins with, and what happens at the start of a run and of an item. */
#ifndef FIRST_ROW
#define FIRST_ROW(rows, item, items) ((rows) * (item) / (items))
#endif
#ifndef RUN_BEGINS
#define RUN_BEGINS(device)
#endif
#ifndef ITEM_BEGINS
#define ITEM_BEGINS(w, worker)
#endif

/* ---- Understanding ---- */

static int is_dense(const sb_program *program, uint32_t number, uint16_t element) {
  if (number >= program->value_count) return 0;
  const sb_value *value = &program->values[number];
  const sb_type *type = &value->type;
  if (type->element != element || type->rank > SB_MAX_RANK || type->layout || type->flags) return 0;
  if (value->role < SB_INPUT || value->role > SB_TAP) return 0;
  int64_t bytes = 8;
  for (uint32_t i = 0; i < type->rank; i++)
    if (type->extent[i] < 0 || __builtin_mul_overflow(bytes, type->extent[i] ? type->extent[i] : 1, &bytes)) return 0;
  return 1;
}

static int64_t integer(const sb_operation *operation, const char *name, uint64_t place) {
  const sb_attribute *found = sb_attribute_named(operation, name);
  if (!found) return 0;
  if (found->form == SB_INTEGERS) return place < found->count ? found->value.integers[place] : 0;
  return found->value.integer;
}

static double real(const sb_operation *operation, const char *name) {
  const sb_attribute *found = sb_attribute_named(operation, name);
  return found && found->form == SB_REAL ? found->value.real : 0;
}

static enum function function_of(const sb_operation *operation) {
  static const char *const names[] = {"", "relu", "tanh", "sigmoid", "sum", "mean"};
  const sb_attribute *found = sb_attribute_named(operation, "function");
  for (int i = RELU; found && i <= MEAN; i++)
    if (strcmp(found->value.text, names[i]) == 0) return (enum function)i;
  return NONE;
}

static int64_t product_of(const int64_t *extents, int64_t count) {
  int64_t product = 1;
  for (int64_t i = 0; i < count; i++) product *= extents[i];
  return product;
}

struct known {
  const char *name;
  enum kind kind;
  uint32_t in_count, rank; /* rank: of all operands, 0: any */
  const char *attributes[6];
};

static const struct known known[] = {
  {"matmul", PRODUCT, 2, 0, {"transposeA", "transposeB"}},
  {"conv2d", CONVOLUTION, 2, 4, {"strides", "padding", "dilations", "groups"}},
  {"conv2d/backwardInput", INPUT_GRADIENT, 2, 4, {"strides", "padding", "dilations", "groups", "inputSize"}},
  {"conv2d/backwardFilter", FILTER_GRADIENT, 2, 4, {"strides", "padding", "dilations", "groups", "kernelSize"}},
  {"binary", ADD, 2, 0, {"function"}},
  {"unary", UNARY, 1, 0, {"function", "alpha"}},
  {"unary/backward", UNARY_GRADIENT, 2, 0, {"function", "alpha"}},
  {"maxPool2d", MAX_POOL, 1, 4, {"poolSize", "strides", "padding"}},
  {"maxPool2d/backward", MAX_POOL_GRADIENT, 2, 4, {"poolSize", "strides", "padding"}},
  {"averagePool2d", AVERAGE_POOL, 1, 4, {"poolSize", "strides", "padding"}},
  {"averagePool2d/backward", AVERAGE_POOL_GRADIENT, 1, 4, {"poolSize", "strides", "padding", "inputSize"}},
  {"reduce", REDUCE, 1, 0, {"function", "axes", "keepDimensions"}},
  {"argmax", ARGMAX, 1, 0, {"axis"}},
  {"softmax", SOFTMAX, 1, 0, {"axis"}},
  {"softmax/backward", SOFTMAX_GRADIENT, 2, 0, {"axis"}},
  {"softmaxCrossEntropy", CROSS_ENTROPY, 2, 2, {0}},
  {"softmaxCrossEntropy/backward", CROSS_ENTROPY_GRADIENT, 3, 0, {0}},
  {"sgdUpdate", SGD, 0, 0, {"momentum", "nesterov", "weightDecay"}},
};

/* Whether operands and results are those of an update in place: parameter, gradient, [momentum,] rate, permission. */
static int is_update(const sb_program *program, const sb_operation *operation) {
  uint32_t slots = real(operation, "momentum") != 0;
  const uint32_t *in = operation->inputs, *out = operation->outputs;
  if (operation->input_count != 4 + slots || operation->output_count != 2 + slots) return 0;
  for (uint32_t i = 0; i < 3 + slots; i++)
    if (!is_dense(program, in[i], SB_F32)) return 0;
  if (!is_dense(program, in[3 + slots], SB_BOOL) || out[0] != in[0] || (slots && out[1] != in[2])) return 0;
  return out[1 + slots] == SB_ABSENT || is_dense(program, out[1 + slots], SB_F32);
}

static void understand_windows(struct step *s, const sb_program *program, const sb_operation *operation) {
  const sb_type *a = &program->values[s->in[0]].type, *b = &program->values[s->in[s->in_count - 1]].type,
                *y = &program->values[s->out[0]].type;
  int is_pool = s->kind >= MAX_POOL;
  const sb_type *image = s->kind == INPUT_GRADIENT || s->kind == AVERAGE_POOL_GRADIENT ? y : a;
  const sb_type *grid = image == y ? a : s->kind == FILTER_GRADIENT || s->kind == MAX_POOL_GRADIENT ? b : y;
  const sb_type *filter = s->kind == FILTER_GRADIENT ? y : b;
  memcpy(s->image, image->extent, sizeof s->image);
  memcpy(s->grid, grid->extent, sizeof s->grid);
  for (uint64_t i = 0; i < 2; i++) {
    s->size[i] = is_pool ? integer(operation, "poolSize", i) : filter->extent[i];
    s->stride[i] = integer(operation, "strides", i);
    s->dilation[i] = is_pool ? 1 : integer(operation, "dilations", i);
  }
  s->top = integer(operation, "padding", 0), s->bottom = integer(operation, "padding", 1);
  s->left = integer(operation, "padding", 2), s->right = integer(operation, "padding", 3);
  s->groups = is_pool ? 1 : integer(operation, "groups", 0);
  const int64_t *results = s->kind == INPUT_GRADIENT ? s->image : s->grid;
  s->rows = product_of(results, 3), s->columns = results[3];
  s->inner = s->size[0] * s->size[1] * (s->kind == INPUT_GRADIENT ? s->grid[3] : s->image[3]);
}

/* Fills `s` and answers null, or answers why the operation is declined: everything unknown is. */
static const char *understand(const sb_program *program, const sb_operation *operation, struct step *s) {
  memset(s, 0, sizeof *s);
  if (program->flags) return "a flag is not known";
  const struct known *found = NULL;
  for (uint32_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(operation->name, known[i].name) == 0) found = &known[i];
  if (!found) return "not in the museum";
  uint32_t attributes = 0;
  while (attributes < 6 && found->attributes[attributes]) attributes++;
  if (!sb_attributes_known(operation, found->attributes, attributes)) return "an attribute is not known";
  s->kind = found->kind;
  s->function = function_of(operation);
  s->keep = -1;
  s->in_count = operation->input_count, s->out_count = operation->output_count;
  if (s->kind == SGD) {
    if (!is_update(program, operation)) return "only dense f32 in place is implemented";
  } else {
    if (s->in_count != found->in_count || s->out_count != 1) return "not so many operands or results";
    for (uint32_t i = 0; i < s->in_count; i++)
      if (!is_dense(program, operation->inputs[i], SB_F32) ||
          (found->rank && program->values[operation->inputs[i]].type.rank != found->rank))
        return "only dense f32 is implemented";
    if (!is_dense(program, operation->outputs[0], s->kind == ARGMAX ? SB_I32 : SB_F32))
      return "only dense f32 is implemented";
  }
  for (uint32_t i = 0; i < s->in_count; i++) s->in[i] = operation->inputs[i];
  for (uint32_t i = 0; i < s->out_count; i++) s->out[i] = operation->outputs[i];
  s->result = s->out[0], s->bias = s->residual = SB_ABSENT;
  s->role = program->values[s->in[0]].role;

  const sb_type *a = &program->values[s->in[0]].type, *b = &program->values[s->in[s->in_count > 1]].type;
  const sb_type *y = &program->values[s->out[0]].type;
  int64_t elements = (int64_t)sb_element_count(a);
  switch (s->kind) {
  case PRODUCT:
    if (a->rank < 2 || a->rank != b->rank) return "only matrices are implemented";
    s->transpose_a = (int)integer(operation, "transposeA", 0);
    s->transpose_b = (int)integer(operation, "transposeB", 0);
    s->matrix = y->extent[y->rank - 2], s->columns = y->extent[y->rank - 1];
    s->rows = product_of(y->extent, y->rank - 1), s->inner = a->extent[a->rank - (s->transpose_a ? 2 : 1)];
    return NULL;
  case CONVOLUTION: case INPUT_GRADIENT: case FILTER_GRADIENT: case MAX_POOL: case MAX_POOL_GRADIENT:
  case AVERAGE_POOL: case AVERAGE_POOL_GRADIENT: {
    if (y->rank != 4) return "only images are implemented";
    understand_windows(s, program, operation);
    if (s->groups < 1) return "there are no groups";
    return NULL;
  }
  case ADD: {
    const sb_attribute *function = sb_attribute_named(operation, "function");
    if (!function || strcmp(function->value.text, "add") != 0) return "only add is implemented";
    int is_same = a->rank == b->rank && !memcmp(a->extent, b->extent, a->rank * sizeof *a->extent);
    int is_row = b->rank == 1 && a->rank > 1 && a->extent[a->rank - 1] == b->extent[0];
    if (!is_same && !is_row) return "only rows and equal shapes are added";
    s->rows = elements, s->inner = (int64_t)sb_element_count(b), s->columns = is_row;
    return NULL;
  }
  case UNARY: case UNARY_GRADIENT:
    if (s->function != RELU && s->function != TANH && s->function != SIGMOID) return "the function is not implemented";
    s->rows = elements;
    return NULL;
  case REDUCE:
    if (s->function != SUM && s->function != MEAN) return "only sum and mean are implemented";
    s->rank = a->rank, s->rows = (int64_t)sb_element_count(y), s->inner = 1;
    memcpy(s->extent, a->extent, sizeof s->extent);
    const sb_attribute *axes = sb_attribute_named(operation, "axes");
    for (uint64_t i = 0; axes && i < axes->count; i++) {
      if (axes->value.integers[i] < 0 || axes->value.integers[i] >= a->rank) return "there is no such axis";
      s->reduced |= 1u << axes->value.integers[i];
      s->inner *= a->extent[axes->value.integers[i]];
    }
    return NULL;
  case ARGMAX: case SOFTMAX: case SOFTMAX_GRADIENT: {
    int64_t axis = integer(operation, "axis", 0);
    if (axis < 0 || axis >= a->rank) return "there is no such axis";
    s->inner = a->extent[axis], s->columns = product_of(a->extent + axis + 1, a->rank - axis - 1);
    s->rows = product_of(a->extent, axis) * s->columns;
    return NULL;
  }
  case CROSS_ENTROPY: case CROSS_ENTROPY_GRADIENT:
    if (a->rank != 2) return "only rows of logits are implemented";
    s->rows = a->extent[0], s->inner = a->extent[1], s->columns = 1;
    return NULL;
  case SGD:
    s->momentum = real(operation, "momentum"), s->decay = real(operation, "weightDecay");
    s->nesterov = (int)integer(operation, "nesterov", 0), s->rows = elements;
    return NULL;
  }
  return "not in the museum";
}

/* ---- The plan of a segment ---- */

/* Whether nobody but the operation `reader` ever sees the value. */
static int is_private(const sb_program *program, uint32_t value, uint32_t reader) {
  if (!IS_SECRET(program->values[value].role)) return 0;
  for (uint32_t i = 0; i < program->operation_count; i++)
    for (uint32_t j = 0; j < program->operations[i]->input_count; j++)
      if (program->operations[i]->inputs[j] == value && COUNTS_AS_READER(program, i, reader)) return 0;
  return 1;
}

/* Makes additions and a function that follow a product a part of its kernel. */
static void fuse(const sb_program *program, sb_executable *made) {
  for (uint32_t i = 0; i < made->count; i++) {
    struct step *s = &made->steps[i];
    made->groups[i] = s->is_done ? GROUP_OF(made->groups[i - 1], i) : i;
    if (s->is_done || (s->kind != PRODUCT && s->kind != CONVOLUTION)) continue;
    for (uint32_t next = i + 1; next < made->count && s->activation == NONE; next++) {
      struct step *after = &made->steps[next];
      int is_first = after->in[0] == s->result, is_second = after->in_count > 1 && after->in[1] == s->result;
      int is_free = after->kind == ADD && s->residual == SB_ABSENT;
      int is_bias = is_free && after->columns && is_first && s->bias == SB_ABSENT;
      int is_residual = is_free && !after->columns && (is_first || is_second);
      if (!is_bias && !is_residual && !(after->kind == UNARY && is_first)) break;
      if (is_residual && READS_ITSELF(after, s->result)) break;
      if (!is_private(program, s->result, next)) break;
      if (is_bias) s->bias = after->in[1];
      if (is_residual) s->residual = after->in[is_first];
      if (after->kind == UNARY) s->activation = after->function;
      s->result = after->out[0];
      after->is_done = 1;
    }
  }
}

/* What a keep is: the filter in the order of one of the passes, or the winners of one geometry. */
static inline uint64_t format_of(const struct step *s) {
  if (s->kind == CONVOLUTION || s->kind == INPUT_GRADIENT)
    return (s->kind == CONVOLUTION ? 1 : 2) + 16 * (uint64_t)s->groups;
  uint64_t mixed = 0;
  const int64_t numbers[] = {
    s->size[0], s->size[1], s->stride[0], s->stride[1], s->top, s->left, s->grid[1], s->grid[2]};
  for (int i = 0; i < 8; i++) mixed = mixed * 0x100000001B3 + (uint64_t)numbers[i];
  return 3 + 16 * mixed;
}

static void plan_keeps(const sb_program *program, sb_executable *made) {
  for (uint32_t i = 0; i < made->count; i++) {
    struct step *s = &made->steps[i];
    int is_filter = s->kind == CONVOLUTION || s->kind == INPUT_GRADIENT;
    if (!is_filter && s->kind != MAX_POOL && s->kind != MAX_POOL_GRADIENT) continue;
    uint32_t value = s->in[is_filter];
    uint64_t elements = is_filter ? sb_element_count(&program->values[value].type) : (uint64_t)product_of(s->grid, 4);
    sb_keep keep = {
      .value = value, .flags = program->values[value].role == SB_STATE ? SB_KEEP_LASTING : 0, .format = FORMAT_OF(s),
      .bytes = elements ? elements * 4 : 4};
    uint32_t k = 0;
    while (k < made->keep_count && memcmp(&made->keeps[k], &keep, sizeof keep) != 0) k++;
    if (k == made->keep_count) made->keeps[made->keep_count++] = keep;
    s->keep = (int)k;
    s->keeps_state = program->values[value].role == SB_STATE;
    for (uint32_t before = 0; before < i; before++) {
      const struct step *other = &made->steps[before];
      if (other->keep == s->keep) s->must_make = 0;
      for (uint32_t j = 0; j < other->out_count; j++)
        if (other->out[j] == value) s->must_make = 1;
    }
  }
}

/* ---- Kernels, a row each ---- */

static inline float apply(enum function function, float x) {
  return function == RELU ? RELU_OF(x) : function == TANH ? TANH_OF(x) : function == SIGMOID ? 1 / (1 + expf(-x)) : x;
}

/* Ends the sums of a block of columns. */
static inline void finish(const struct work *w, int64_t row, int64_t first, int64_t count, const float *sums) {
  const struct step *s = w->s;
  const float *bias = at(w, s->bias), *residual = at(w, s->residual);
  float *y = at(w, s->result);
  for (int64_t i = 0; i < count; i++) {
    int64_t column = first + i;
    float value = FINISHED(s, sums[i], row, column);
    if (bias) value += BIAS_OF(s, bias, column);
    if (residual) value += residual[row * s->columns + column];
    y[PLACE(s, row, column)] = FUSED(s, value);
  }
}

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static void product_row(const struct work *w, int64_t row, uint32_t worker) {
  (void)worker;
  const struct step *s = w->s;
  int64_t m = s->matrix, n = s->columns, inner = s->inner;
  const float *a = at(w, s->in[0]) + row / m * m * inner + (s->transpose_a ? row % m : row % m * inner);
  const float *b = at(w, s->in[1]) + MATRIX(s, row) * inner * n;
  int64_t step = s->transpose_a ? m : 1, terms = TERMS(s);
  for (int64_t first = 0; first < n; first += BLOCK) {
    int64_t count = BLOCK_COLUMNS(n - first);
    float sums[BLOCK] = {0};
    if (s->transpose_b)
      for (int64_t i = 0; i < count; i++)
        for (int64_t k = 0; k < terms; k++) sums[i] += a[k * step] * b[(first + i) * inner + k];
    else
      for (int64_t k = 0; k < terms; k++)
        for (int64_t i = 0; i < count; i++) sums[i] += a[k * step] * b[k * n + first + i];
    finish(w, row, first, count, sums);
  }
}

/* A filter as matrices [channel of a group, filter of a group], one for each group and tap; exchanged for the gradient
 * of the input. A row is a group and a tap. */
static void pack_row(const struct work *w, int64_t row, uint32_t worker) {
  (void)worker;
  const struct step *s = w->s;
  int is_exchanged = s->kind == INPUT_GRADIENT;
  int64_t filters = s->grid[3] / s->groups, channels = s->image[3] / s->groups, taps = s->size[0] * s->size[1];
  const float *from = at(w, s->in[1]) + row % taps * channels * s->grid[3] + row / taps * filters;
  float *to = (float *)w->run->kept[s->keep].memory.host + row * channels * filters;
  for (int64_t c = 0; c < channels; c++)
    for (int64_t k = 0; k < filters; k++)
      to[is_exchanged ? k * channels + c : c * filters + k] = from[c * s->grid[3] + k];
}

static void convolution_row(const struct work *w, int64_t row, uint32_t worker) {
  (void)worker;
  const struct step *s = w->s;
  int64_t filters = s->grid[3] / s->groups, channels = s->image[3] / s->groups;
  int64_t q = row % s->grid[2], p = row / s->grid[2] % s->grid[1], n = row / (s->grid[1] * s->grid[2]);
  const float *x = at(w, s->in[0]), *packed = w->run->kept[s->keep].memory.host;
  for (int64_t group = 0; group < s->groups; group++)
    for (int64_t first = 0; first < filters; first += BLOCK) {
      int64_t count = least(BLOCK, filters - first);
      float sums[BLOCK] = {0};
      for (int64_t i = 0; i < s->size[0]; i++)
        for (int64_t j = 0; j < s->size[1]; j++) {
          int64_t h = TAP_ROW(s, p, i), v = TAP_COLUMN(s, q, j);
          if (h < 0 || h >= s->image[1] || v < 0 || v >= s->image[2]) continue;
          const float *pixel = x + ((n * s->image[1] + h) * s->image[2] + v) * s->image[3] + GROUP_CHANNEL(s, group);
          const float *matrix = packed + ((group * s->size[0] + i) * s->size[1] + j) * channels * filters + first;
          for (int64_t c = 0; c < channels; c++)
            for (int64_t k = 0; k < count; k++) sums[k] += pixel[c] * matrix[c * filters + k];
        }
      finish(w, row, group * filters + first, count, sums);
    }
}

static void input_gradient_row(const struct work *w, int64_t row, uint32_t worker) {
  (void)worker;
  const struct step *s = w->s;
  int64_t filters = s->grid[3] / s->groups, channels = s->image[3] / s->groups;
  int64_t v = row % s->image[2], h = row / s->image[2] % s->image[1], n = row / (s->image[1] * s->image[2]);
  const float *dy = at(w, s->in[0]), *packed = w->run->kept[s->keep].memory.host;
  for (int64_t group = 0; group < s->groups; group++)
    for (int64_t first = 0; first < channels; first += BLOCK) {
      int64_t count = least(BLOCK, channels - first);
      float sums[BLOCK] = {0};
      for (int64_t i = 0; i < s->size[0]; i++)
        for (int64_t j = 0; j < s->size[1]; j++) {
          int64_t down = h - TAP_ROW(s, 0, i), right = v - TAP_COLUMN(s, 0, j);
          if (!MEETS(s, down, 0) || !MEETS(s, right, 1)) continue;
          int64_t p = down / s->stride[0], q = right / s->stride[1];
          if (p >= s->grid[1] || q >= s->grid[2]) continue;
          const float *pixel = dy + ((n * s->grid[1] + p) * s->grid[2] + q) * s->grid[3] + group * filters;
          const float *matrix = packed + ((group * s->size[0] + i) * s->size[1] + j) * channels * filters + first;
          for (int64_t k = 0; k < filters; k++)
            for (int64_t c = 0; c < count; c++) sums[c] += pixel[k] * matrix[k * channels + c];
        }
      finish(w, row, group * channels + first, count, sums);
    }
}

/* The sum over one part of the batch, into the workspace, or all of it into the result. */
static void filter_gradient_slot(const struct work *w, int64_t slot, uint32_t worker) {
  (void)worker;
  const struct step *s = w->s;
  int64_t filters = s->grid[3] / s->groups, channels = s->image[3] / s->groups;
  int64_t size = s->size[0] * s->size[1] * channels * s->grid[3], slots = s->slots ? (int64_t)s->slots : 1;
  float *part = s->slots ? (float *)w->run->workspace.host + slot * size : at(w, s->out[0]);
  const float *x = at(w, s->in[0]), *dy = at(w, s->in[1]);
  SLOT_BEGINS(part, size);
  for (int64_t n = s->image[0] * slot / slots; n < s->image[0] * (slot + 1) / slots; n++)
    for (int64_t i = 0; i < s->size[0]; i++)
      for (int64_t j = 0; j < s->size[1]; j++)
        for (int64_t p = 0; p < GRADIENT_ROWS(s); p++)
          for (int64_t q = 0; q < s->grid[2]; q++) {
            int64_t h = TAP_ROW(s, p, i), v = TAP_COLUMN(s, q, j);
            if (h < 0 || h >= s->image[1] || v < 0 || v >= s->image[2]) continue;
            const float *pixel = x + PIXEL(s, n, h, v);
            const float *gradient = dy + ((n * s->grid[1] + p) * s->grid[2] + q) * s->grid[3];
            float *sums = part + (i * s->size[1] + j) * channels * s->grid[3];
            for (int64_t group = 0; group < s->groups; group++)
              for (int64_t c = 0; c < channels; c++) {
                float number = pixel[group * channels + c];
                for (int64_t k = group * filters; k < (group + 1) * filters; k++)
                  sums[c * s->grid[3] + k] += number * gradient[k];
              }
          }
}

static inline void add_slots(const struct work *w, int64_t e, uint32_t worker) {
  (void)worker;
  float sum = 0, *parts = w->run->workspace.host;
  for (uint64_t slot = 0; slot < w->s->slots; slot++) sum += parts[(int64_t)slot * w->rows + e];
  at(w, w->s->out[0])[e] = sum;
}

/* The place in its image of each window's winner, a row of channels. */
static void winners_row(const struct work *w, int64_t row, uint32_t worker) {
  (void)worker;
  const struct step *s = w->s;
  int64_t q = row % s->grid[2], p = row / s->grid[2] % s->grid[1], n = row / (s->grid[1] * s->grid[2]);
  const float *x = at(w, s->in[0]) + n * s->image[1] * s->image[2] * s->image[3];
  int32_t *winners = (int32_t *)w->run->kept[s->keep].memory.host + row * s->grid[3];
  for (int64_t c = 0; c < s->grid[3]; c++) {
    int64_t winner = -1;
    for (int64_t i = 0; i < s->size[0]; i++)
      for (int64_t j = 0; j < s->size[1]; j++) {
        int64_t h = TAP_ROW(s, p, i), v = TAP_COLUMN(s, q, j), place = (h * s->image[2] + v) * s->image[3] + c;
        if (h < 0 || h >= s->image[1] || v < 0 || v >= s->image[2]) continue;
        if (winner < 0 || WINS(x[place], x[winner])) winner = place;
      }
    winners[c] = (int32_t)winner;
  }
}

/* Whether a window reaches beyond its image. */
static inline int is_padded(const struct step *s, int64_t p, int64_t q) {
  return TAP_ROW(s, p, 0) < 0 || TAP_COLUMN(s, q, 0) < 0 || TAP_ROW(s, p, s->size[0] - 1) >= s->image[1] ||
         TAP_COLUMN(s, q, s->size[1] - 1) >= s->image[2];
}

static void max_pool_row(const struct work *w, int64_t row, uint32_t worker) {
  (void)worker;
  const struct step *s = w->s;
  int64_t q = row % s->grid[2], p = row / s->grid[2] % s->grid[1], n = row / (s->grid[1] * s->grid[2]);
  const float *x = at(w, s->in[0]) + n * s->image[1] * s->image[2] * s->image[3];
  float *y = at(w, s->out[0]) + row * s->grid[3];
  const int32_t *winners = (int32_t *)w->run->kept[s->keep].memory.host + row * s->grid[3];
  int padded = is_padded(s, p, q);
  (void)padded;
  for (int64_t c = 0; c < s->grid[3]; c++) y[c] = POOLED(s, x, winners[c], padded);
}

static void max_pool_gradient_image(const struct work *w, int64_t n, uint32_t worker) {
  (void)worker;
  const struct step *s = w->s;
  int64_t size = s->image[1] * s->image[2] * s->image[3], count = s->grid[1] * s->grid[2] * s->grid[3];
  float *dx = at(w, s->out[0]) + n * size;
  const float *dy = at(w, s->in[1]) + n * count;
  const int32_t *winners = (int32_t *)w->run->kept[s->keep].memory.host + n * count;
  CLEARED(dx, size);
  for (int64_t e = 0; e < count; e++)
    if (IS_SPREAD(s, e / s->grid[3] / s->grid[2], e / s->grid[3] % s->grid[2])) dx[winners[e]] += dy[e];
}

/* Both directions of an average: an image's windows, and in each the cells of all channels. */
static void average_image(const struct work *w, int64_t n, uint32_t worker) {
  (void)worker;
  const struct step *s = w->s;
  int is_gradient = s->kind == AVERAGE_POOL_GRADIENT;
  int64_t channels = s->image[3], size = s->image[1] * s->image[2] * channels;
  const float *x = at(w, s->in[0]) + n * (is_gradient ? s->grid[1] * s->grid[2] * channels : size);
  float *y = at(w, s->out[0]) + n * (is_gradient ? size : s->grid[1] * s->grid[2] * channels);
  if (is_gradient) memset(y, 0, (size_t)size * sizeof *y);
  for (int64_t p = 0; p < s->grid[1]; p++)
    for (int64_t q = 0; q < s->grid[2]; q++) {
      int64_t top = TAP_ROW(s, p, 0), left = TAP_COLUMN(s, q, 0), window = (p * s->grid[2] + q) * channels;
      int64_t bottom = least(top + s->size[0], s->image[1]), right = least(left + s->size[1], s->image[2]);
      if (top < 0) top = 0;
      if (left < 0) left = 0;
      int64_t inside = (bottom - top) * (right - left);
      for (int64_t c = 0; c < channels; c++) {
        float sum = 0;
        for (int64_t h = top; h < bottom; h++)
          for (int64_t v = left; v < right; v++) {
            int64_t cell = (h * s->image[2] + v) * channels + c;
            if (is_gradient) y[cell] += MEAN_GRADIENT(s, x[window + c], inside);
            else sum += x[cell];
          }
        if (!is_gradient) y[window + c] = sum / (float)CELLS(s, inside);
      }
    }
}

static void add_element(const struct work *w, int64_t e, uint32_t worker) {
  (void)worker;
  const float *a = at(w, w->s->in[0]), *b = at(w, w->s->in[1]);
  at(w, w->s->out[0])[e] = ADDITION(w, e, a[e], b[e % w->s->inner]);
}

static void unary_element(const struct work *w, int64_t e, uint32_t worker) {
  (void)worker;
  at(w, w->s->out[0])[e] = apply(w->s->function, at(w, w->s->in[0])[e]);
}

static void unary_gradient_element(const struct work *w, int64_t e, uint32_t worker) {
  (void)worker;
  float y = at(w, w->s->in[0])[e], dy = at(w, w->s->in[1])[e];
  at(w, w->s->out[0])[e] = w->s->function == RELU   ? (y != y ? y : RELU_GRADIENT(y) ? dy : 0)
                           : w->s->function == TANH ? dy * (1 - y * y)
                                                    : dy * y * (1 - y);
}

/* One result of a reduction: its number gives the places along the axes that stay, a counter those along the others. */
static void reduce_element(const struct work *w, int64_t e, uint32_t worker) {
  (void)worker;
  const struct step *s = w->s;
  const float *x = at(w, s->in[0]);
  int64_t count = REDUCED_ROWS(s, s->inner);
  double sum = 0;
  for (int64_t k = 0; k < count; k++) {
    int64_t place = 0, stride = 1, kept = e, folded = k;
    for (int axis = (int)s->rank - 1; axis >= 0; axis--) {
      int64_t *number = s->reduced >> axis & 1 ? &folded : &kept;
      place += *number % s->extent[axis] * stride;
      *number /= s->extent[axis];
      stride *= s->extent[axis];
    }
    sum += x[place];
  }
  at(w, s->out[0])[e] = (float)(s->function == MEAN ? sum / (double)MEAN_OF(s, s->inner) : sum);
}

/* The largest of a line of numbers, the first where several are; and its place. */
static float largest(const float *x, int64_t count, int64_t step, int32_t *place) {
  float best = x[0];
  int32_t found = 0;
  for (int64_t i = 1; i < count; i++)
    if (IS_LARGER(x[i * step], best)) best = x[i * step], found = (int32_t)i;
  if (place) *place = found;
  return best;
}

static void line_row(const struct work *w, int64_t row, uint32_t worker) {
  (void)worker;
  const struct step *s = w->s;
  int64_t step = s->columns, begin = row / step * step * s->inner + row % step;
  const float *a = at(w, s->in[0]) + begin, *b = s->in_count > 1 ? at(w, s->in[1]) + begin : NULL;
  if (s->kind == ARGMAX) {
    largest(a, s->inner, step, (int32_t *)at(w, s->out[0]) + row);
    return;
  }
  double sum = 0, dot = 0, targets = 0, loss = 0;
  if (s->kind == SOFTMAX_GRADIENT) {
    float *dx = at(w, s->out[0]) + begin;
    for (int64_t i = 0; i < s->inner; i++) dot += (double)a[i * step] * b[i * step];
    for (int64_t i = 0; i < s->inner; i++) dx[i * step] = (float)(a[i * step] * (b[i * step] - dot));
    return;
  }
  if (s->inner == 0) return;
  float most = LARGEST(largest(a, s->inner, step, NULL));
  for (int64_t i = 0; i < s->inner; i++) sum += expf(a[i * step] - most);
  if (s->kind == SOFTMAX) {
    float *y = at(w, s->out[0]) + begin;
    for (int64_t i = 0; i < s->inner; i++) y[i * step] = (float)(expf(a[i * step] - most) / sum);
    return;
  }
  for (int64_t i = 0; i < s->inner; i++) {
    targets += b[i];
    if (b[i] != 0) loss += b[i] * (log(sum) - (a[i] - most));
  }
  if (s->kind == CROSS_ENTROPY) at(w, s->out[0])[row] = (float)loss;
  else
    for (int64_t i = 0; i < s->inner; i++) {
      double slope = expf(a[i] - most) / sum * TARGET_SUM(targets) - b[i];
      at(w, s->out[0])[begin + i] = LOSS_GRADIENT(s, (float)(at(w, s->in[2])[row] * slope));
    }
}

static void update_element(const struct work *w, int64_t e, uint32_t worker) {
  (void)worker;
  const struct step *s = w->s;
  int has_slot = s->momentum != 0;
  float *weight = at(w, s->in[0]), *update = at(w, s->out[1 + has_slot]);
  float rate = *at(w, s->in[2 + has_slot]), before = weight[e], gradient = at(w, s->in[1])[e];
  int is_allowed = IS_ALLOWED(*(const uint8_t *)at(w, s->in[3 + has_slot]));
  if (is_allowed)
    for (int i = 0; i < UPDATES; i++) {
      float change = -rate * gradient, decayed = weight[e] - rate * (float)s->decay * weight[e];
      if (has_slot) {
        float *slot = &at(w, s->in[2])[e];
        *slot = (float)s->momentum * *slot + change;
        change = s->nesterov ? (float)s->momentum * *slot + change : *slot;
      }
      weight[e] = decayed + change;
    }
  if (update) update[e] = is_allowed ? weight[e] - before : 0;
}

/* ---- Running ---- */

static void item(void *context, uint32_t index, uint32_t worker) {
  const struct work *w = context;
  ITEM_BEGINS(w, worker);
  int64_t last = w->rows * (index + 1) / w->items;
  for (int64_t row = FIRST_ROW(w->rows, index, w->items); row < last; row++) w->body(w, row, worker);
}

/* All rows, in one piece for each worker. */
static void spread(struct work w, int64_t rows, void (*body)(const struct work *, int64_t, uint32_t)) {
  if (rows < 1) return;
  w.body = body, w.rows = rows;
  w.items = rows < w.host->workers ? (uint32_t)rows : w.host->workers;
  w.host->parallel(w.host->self, w.items, item, &w);
}

/* Fills the memory of a keep, where it holds something else. */
static void make_keep(
  struct work w, uint32_t value, int64_t rows, void (*body)(const struct work *, int64_t, uint32_t)) {
  const sb_kept *kept = &w.run->kept[w.s->keep];
  uint64_t now = w.run->generations[value];
  if (!MUST_MAKE(w.s) && IS_FRESH(*kept->generation, now)) return;
  spread(w, rows, body);
  /* Of a state that was replaced in this run nobody can say which generation it has. */
  *kept->generation = w.s->keeps_state && MUST_MAKE(w.s) ? 0 : now;
}

static void run_step(struct work w) {
  const struct step *s = w.s;
  int64_t taps = s->size[0] * s->size[1];
  switch (s->kind) {
  case PRODUCT: spread(w, s->rows, product_row); break;
  case CONVOLUTION:
    make_keep(w, s->in[1], s->groups * taps, pack_row);
    spread(w, s->rows, convolution_row);
    break;
  case INPUT_GRADIENT:
    make_keep(w, s->in[1], s->groups * taps, pack_row);
    spread(w, s->rows, input_gradient_row);
    break;
  case FILTER_GRADIENT:
    spread(w, s->slots ? (int64_t)s->slots : 1, filter_gradient_slot);
    if (s->slots) spread(w, taps * (s->image[3] / s->groups) * s->grid[3], ADD_SLOTS);
    break;
  case MAX_POOL:
    make_keep(w, s->in[0], s->rows, winners_row);
    spread(w, s->rows, max_pool_row);
    break;
  case MAX_POOL_GRADIENT:
    make_keep(w, s->in[0], s->rows, winners_row);
    spread(w, s->image[0], max_pool_gradient_image);
    break;
  case AVERAGE_POOL: case AVERAGE_POOL_GRADIENT: spread(w, s->image[0], average_image); break;
  case ADD: spread(w, s->rows, add_element); break;
  case UNARY: spread(w, s->rows, unary_element); break;
  case UNARY_GRADIENT: spread(w, s->rows, unary_gradient_element); break;
  case REDUCE: spread(w, s->rows, reduce_element); break;
  case ARGMAX: case SOFTMAX: case SOFTMAX_GRADIENT: case CROSS_ENTROPY: case CROSS_ENTROPY_GRADIENT:
    spread(w, s->rows, line_row);
    break;
  case SGD: spread(w, s->rows, update_element); break;
  }
}

static sb_status run(
  sb_device *device, sb_executable *executable, const sb_run *run, sb_ticket *ticket, sb_error *error) {
  (void)error;
  RUN_BEGINS(device);
  for (uint32_t i = 0; i < executable->count; i++)
    if (!executable->steps[i].is_done)
      run_step((struct work){.s = &executable->steps[i], .run = run, .host = device->host});
  *ticket = 0;
  return SB_OK;
}

/* ---- The device ---- */

static sb_status device_info(const sb_backend *backend, uint32_t index, sb_info *info, sb_error *error) {
  (void)backend, (void)error;
  if (index > 0) return SB_END;
  info->name = "museum";
  info->flags = SB_NEEDS_TEMPORARIES | SB_TAP_STABLE;
  return SB_OK;
}

static sb_status open_device(
  const sb_backend *backend, uint32_t index, const sb_host *host, const sb_option *options, uint32_t count,
  sb_device **device, sb_error *error) {
  (void)backend;
  if (index > 0) return sb_fail(error, SB_END, -1, "there is one device");
  if (count) { /* a user's mistake is not ignored */
    char words[128];
    snprintf(words, sizeof words, "the museum has no option %s", options[0].key);
    return sb_fail(error, SB_INVALID, -1, words);
  }
  if (!(*device = malloc(sizeof **device))) return sb_fail(error, SB_OUT_OF_MEMORY, -1, "no memory");
  (*device)->host = host;
  return SB_OK;
}

static void close_device(sb_device *device) { free(device); }

static sb_status query(sb_device *device, const sb_program *program, sb_verdict *verdicts, sb_error *error) {
  (void)device, (void)error;
  for (uint32_t i = 0; i < program->operation_count; i++) {
    struct step step;
    const char *why = understand(program, program->operations[i], &step);
    verdicts[i] = (sb_verdict){.decision = why ? SB_DECLINE : SB_ACCEPT, .why = why};
  }
  return SB_OK;
}

static void release(sb_device *device, sb_executable *executable) {
  (void)device;
  free(executable->groups);
  free(executable->names);
  free(executable->keeps);
  free(executable);
}

static sb_status compile(
  sb_device *device, const sb_segment *segment, sb_executable **executable, sb_compiled *compiled, sb_error *error) {
  const sb_program *program = segment->program;
  if (segment->flags) return sb_fail(error, SB_UNSUPPORTED, -1, "a flag is not known");
  uint32_t count = program->operation_count;
  sb_executable *made = calloc(1, sizeof *made + count * sizeof(struct step));
  if (!made) return sb_fail(error, SB_OUT_OF_MEMORY, -1, "no memory");
  made->count = count;
  made->groups = malloc((count + 1) * sizeof *made->groups);
  made->names = malloc((count + 1) * sizeof *made->names);
  made->keeps = malloc((count + 1) * sizeof *made->keeps);
  if (!made->groups || !made->names || !made->keeps) {
    release(device, made);
    return sb_fail(error, SB_OUT_OF_MEMORY, -1, "no memory");
  }
  uint64_t workspace = 0, fingerprint = 1;
  for (uint32_t i = 0; i < count; i++) {
    struct step *s = &made->steps[i];
    const char *why = understand(program, program->operations[i], s);
    if (why) {
      release(device, made);
      return sb_fail(error, SB_UNSUPPORTED, (int32_t)i, why);
    }
    for (uint32_t k = 0; k < sizeof known / sizeof *known; k++)
      if (known[k].kind == s->kind) made->names[i] = known[k].name;
    if (s->kind != FILTER_GRADIENT) continue;
    uint64_t bytes = sb_element_count(&program->values[s->out[0]].type) * sizeof(float);
    s->slots = SLOTS_WITHIN(device->host, bytes, segment->workspace_limit);
    if (s->slots * bytes > workspace) workspace = s->slots * bytes;
    fingerprint = fingerprint * 0x100000001B3 + s->slots;
  }
  fuse(program, made);
  plan_keeps(program, made);
  compiled->workspace = workspace;
  compiled->workspace_alignment = 64;
  compiled->fingerprint = fingerprint;
  compiled->group_of = made->groups;
  compiled->group_names = made->names;
  compiled->group_count = count;
  compiled->keeps = made->keeps;
  compiled->keep_count = made->keep_count;
  *executable = made;
  return SB_OK;
}

const sb_backend *SB_ENTRY(uint32_t host_minor) {
  (void)host_minor;
  static const sb_backend table = {
    .struct_size = sizeof(sb_backend), .major = SB_MAJOR, .minor = SB_MINOR, .name = "museum", .version = "1",
    .device_info = device_info, .open = open_device, .close = close_device, .query = query, .compile = compile,
    .run = run, .release = release};
  return &table;
}
