/* A partial backend that fuses: products and convolutions with a bias and a relu after them become one kernel, pooling is
 * one of its own, all else is declined. Slow and plain; it is here to be proved right, and wrong with each FAULT. */
#include "switchback_backend.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* 1 no bias in the last block of 16 columns      5 relu after a product loses NaN
 * 2 rows beyond the last whole block of 16        6 a value that somebody looks at is not written
 * 3 transposed products beyond 256 terms          7 a value that a second operation reads is not written
 * 4 sums of 512 terms and more in ten bits        8 the operations of a kernel are not stated as one group */
#define FAULT 0

enum kind { PRODUCT, CONVOLUTION, BIAS, RELU, POOL };

struct step {
  enum kind kind;
  uint32_t a, b, y;
  int64_t rows, inner, columns; /* of a product; elements of a relu and of a bias are rows · columns */
  int transpose_a, transpose_b;
  int64_t image[4], out[4], size[2], stride[2], top, left, dilation[2];
  /* After a product: the bias that is added, or SB_ABSENT, and whether a relu comes last. `result` is where it goes. */
  uint32_t bias, result;
  int relu, is_done; /* is_done: a part of the kernel before it */
};

struct sb_device {
  const sb_host *host;
};
struct sb_executable {
  uint32_t count;
  uint32_t *groups;
  const char **names;
  struct step steps[];
};

static int is_plain(const sb_program *program, uint32_t number) {
  if (number >= program->value_count) return 0;
  const sb_value *value = &program->values[number];
  return value->type.element == SB_F32 && !value->type.layout && !value->type.flags && value->type.rank <= SB_MAX_RANK &&
         value->role >= SB_INPUT && value->role <= SB_TAP;
}

static int has_plain_values(const sb_program *program, const sb_operation *operation, uint32_t inputs) {
  if (operation->input_count != inputs || operation->output_count != 1 || operation->flags) return 0;
  for (uint32_t i = 0; i < inputs; i++)
    if (!is_plain(program, operation->inputs[i])) return 0;
  return is_plain(program, operation->outputs[0]);
}

static int64_t integer(const sb_operation *operation, const char *name, int64_t place) {
  const sb_attribute *found = sb_attribute_named(operation, name);
  if (!found) return 0;
  return found->form == SB_INTEGERS ? found->value.integers[place] : found->value.integer;
}

static int is_word(const sb_operation *operation, const char *word) {
  const sb_attribute *function = sb_attribute_named(operation, "function");
  return function && strcmp(function->value.text, word) == 0;
}

static void copy_extents(int64_t to[4], const sb_type *type) { memcpy(to, type->extent, 4 * sizeof *to); }

/* Fills `step` and answers null, or answers why the operation is declined. */
static const char *understand(const sb_program *program, const sb_operation *operation, struct step *step) {
  static const char *const product[] = {"transposeA", "transposeB"};
  static const char *const convolution[] = {"dilations", "groups", "padding", "strides"};
  static const char *const pool[] = {"padding", "poolSize", "strides"};
  static const char *const function[] = {"function", "alpha"};
  memset(step, 0, sizeof *step);
  if (program->flags) return "a flag is not known";
  uint32_t inputs = operation->input_count;
  if (inputs < 1 || inputs > 2 || !has_plain_values(program, operation, inputs)) return "only dense f32 is implemented";
  step->a = operation->inputs[0];
  step->b = operation->inputs[inputs - 1];
  step->y = step->result = operation->outputs[0];
  step->bias = SB_ABSENT;
  const sb_type *a = &program->values[step->a].type, *b = &program->values[step->b].type,
                *y = &program->values[step->y].type;
  if (strcmp(operation->name, "matmul") == 0 && sb_attributes_known(operation, product, 2) && a->rank == 2) {
    step->kind = PRODUCT;
    step->transpose_a = (int)integer(operation, "transposeA", 0);
    step->transpose_b = (int)integer(operation, "transposeB", 0);
    step->rows = y->extent[0], step->columns = y->extent[1], step->inner = a->extent[step->transpose_a ? 0 : 1];
    return 0;
  }
  int is_pool = strcmp(operation->name, "maxPool2d") == 0 && sb_attributes_known(operation, pool, 3);
  int is_convolution = strcmp(operation->name, "conv2d") == 0 && sb_attributes_known(operation, convolution, 4);
  if (is_pool || is_convolution) {
    if (is_convolution && integer(operation, "groups", 0) != 1) return "groups are not implemented";
    step->kind = is_pool ? POOL : CONVOLUTION;
    copy_extents(step->image, a);
    copy_extents(step->out, y);
    for (int i = 0; i < 2; i++) {
      step->size[i] = is_pool ? integer(operation, "poolSize", i) : b->extent[i];
      step->stride[i] = integer(operation, "strides", i);
      step->dilation[i] = is_pool ? 1 : integer(operation, "dilations", i);
    }
    step->top = integer(operation, "padding", 0), step->left = integer(operation, "padding", 2);
    step->rows = y->extent[0] * y->extent[1] * y->extent[2], step->columns = y->extent[3];
    step->inner = step->size[0] * step->size[1] * a->extent[3];
    return 0;
  }
  if (strcmp(operation->name, "binary") == 0 && is_word(operation, "add") && sb_attributes_known(operation, function, 2) &&
      b->rank == 1 && a->rank > 1 && a->extent[a->rank - 1] == b->extent[0]) {
    step->kind = BIAS;
    step->columns = b->extent[0];
    step->rows = step->columns ? (int64_t)sb_element_count(a) / step->columns : 0;
    return 0;
  }
  if (strcmp(operation->name, "unary") == 0 && is_word(operation, "relu") && sb_attributes_known(operation, function, 2)) {
    step->kind = RELU;
    step->columns = 1, step->rows = (int64_t)sb_element_count(a);
    return 0;
  }
  return "not implemented by the fusing backend";
}

/* Whether nobody but the operation `reader` ever sees the value. */
static int is_private(const sb_program *program, uint32_t value, uint32_t reader) {
  uint32_t role = program->values[value].role;
  if (role != SB_TEMPORARY && !(FAULT == 6 && role == SB_TAP)) return 0;
  if (FAULT == 7) return 1;
  for (uint32_t i = 0; i < program->operation_count; i++)
    for (uint32_t j = 0; j < program->operations[i]->input_count; j++)
      if (program->operations[i]->inputs[j] == value && i != reader) return 0;
  return 1;
}

/* Makes a bias and a relu that follow a product a part of its kernel. */
static void fuse(const sb_program *program, sb_executable *made) {
  for (uint32_t i = 0; i < made->count; i++) {
    struct step *product = &made->steps[i];
    made->groups[i] = i;
    if (product->is_done) {
      if (FAULT != 8) made->groups[i] = made->groups[i - 1];
      continue;
    }
    if (product->kind != PRODUCT && product->kind != CONVOLUTION) continue;
    for (uint32_t next = i + 1; next < made->count && !product->relu; next++) {
      struct step *after = &made->steps[next];
      int is_bias = after->kind == BIAS && product->bias == SB_ABSENT;
      if ((!is_bias && after->kind != RELU) || after->a != product->result) break;
      if (after->kind == BIAS && after->b == product->result) break;
      if (!is_private(program, product->result, next)) break;
      if (is_bias) product->bias = after->b;
      product->relu = after->kind == RELU;
      product->result = after->y;
      after->is_done = 1;
    }
  }
}

static sb_status device_info(const sb_backend *backend, uint32_t index, sb_info *info, sb_error *error) {
  (void)backend, (void)error;
  if (index > 0) return SB_END;
  info->name = "fusing";
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
    snprintf(words, sizeof words, "the fusing backend has no option %s", options[0].key);
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
  if (!made->groups || !made->names) {
    release(device, made);
    return sb_fail(error, SB_OUT_OF_MEMORY, -1, "no memory");
  }
  for (uint32_t i = 0; i < count; i++) {
    static const char *const names[] = {"product", "convolution", "bias", "relu", "pooling"};
    const char *why = understand(program, program->operations[i], &made->steps[i]);
    if (why) {
      release(device, made);
      return sb_fail(error, SB_UNSUPPORTED, (int32_t)i, why);
    }
    made->names[i] = names[made->steps[i].kind];
  }
  fuse(program, made);
  compiled->group_of = made->groups;
  compiled->group_names = made->names;
  compiled->group_count = count;
  *executable = made;
  return SB_OK;
}

/* Element `k` of the sum for row `r` and column `c`. */
static inline float term(const struct step *s, const float *a, const float *b, int64_t r, int64_t c, int64_t k) {
  if (s->kind == PRODUCT)
    return a[s->transpose_a ? k * s->rows + r : r * s->inner + k] *
           b[s->transpose_b ? c * s->inner + k : k * s->columns + c];
  int64_t channels = s->image[3], q = r % s->out[2], p = r / s->out[2] % s->out[1], n = r / (s->out[2] * s->out[1]);
  int64_t channel = k % channels, j = k / channels % s->size[1], i = k / (channels * s->size[1]);
  int64_t h = p * s->stride[0] + i * s->dilation[0] - s->top, v = q * s->stride[1] + j * s->dilation[1] - s->left;
  if (h < 0 || h >= s->image[1] || v < 0 || v >= s->image[2]) return 0;
  return a[((n * s->image[1] + h) * s->image[2] + v) * channels + channel] * b[k * s->columns + c];
}

static float ten_bits(float x) {
  int exponent;
  float fraction = frexpf(x, &exponent);
  return isfinite(x) ? ldexpf(rintf(fraction * 1024) / 1024, exponent) : x;
}

static void multiply(const struct step *s, const sb_view *views) {
  const float *a = views[s->a].host, *b = views[s->b].host;
  const float *bias = s->bias == SB_ABSENT ? NULL : views[s->bias].host;
  float *y = views[s->result].host;
  int64_t last = s->columns > 16 && s->columns % 16 ? s->columns / 16 * 16 : s->columns;
  for (int64_t r = 0; r < s->rows; r++)
    for (int64_t c = 0; c < s->columns; c++) {
      double sum = 0;
      int64_t terms = FAULT == 3 && (s->transpose_a || s->transpose_b) && s->inner > 256 ? 256 : s->inner;
      for (int64_t k = 0; k < terms; k++) sum += term(s, a, b, r, c, k);
      float value = (float)sum;
      if (FAULT == 4 && s->inner >= 512) value = ten_bits(value);
      if (FAULT == 2 && s->rows > 16 && r >= s->rows / 16 * 16) value = 0;
      if (bias && !(FAULT == 1 && c >= last)) value += bias[c];
      if (s->relu) value = FAULT == 5 ? (value > 0 ? value : 0) : (value <= 0 ? 0 : value);
      y[r * s->columns + c] = value;
    }
}

static void pool(const struct step *s, const float *x, float *y) {
  for (int64_t r = 0; r < s->rows; r++) {
    int64_t q = r % s->out[2], p = r / s->out[2] % s->out[1], n = r / (s->out[2] * s->out[1]);
    for (int64_t c = 0; c < s->columns; c++) {
      float best = -INFINITY;
      for (int64_t i = 0; i < s->size[0]; i++)
        for (int64_t j = 0; j < s->size[1]; j++) {
          int64_t h = p * s->stride[0] + i - s->top, v = q * s->stride[1] + j - s->left;
          if (h < 0 || h >= s->image[1] || v < 0 || v >= s->image[2]) continue;
          float value = x[((n * s->image[1] + h) * s->image[2] + v) * s->columns + c];
          if (!(value <= best) && best == best) best = value; /* the first NaN wins */
        }
      y[r * s->columns + c] = best;
    }
  }
}

static sb_status run(sb_device *device, sb_executable *executable, const sb_run *run, sb_ticket *ticket, sb_error *error) {
  (void)device, (void)error;
  for (uint32_t i = 0; i < executable->count; i++) {
    const struct step *s = &executable->steps[i];
    if (s->is_done) continue;
    const float *a = run->views[s->a].host, *b = run->views[s->b].host;
    float *y = run->views[s->y].host;
    if (s->kind == PRODUCT || s->kind == CONVOLUTION) multiply(s, run->views);
    else if (s->kind == POOL) pool(s, a, y);
    else
      for (int64_t e = 0; e < s->rows * s->columns; e++)
        y[e] = s->kind == BIAS ? a[e] + b[e % s->columns] : a[e] <= 0 ? 0 : a[e];
  }
  *ticket = 0;
  return SB_OK;
}

const sb_backend *SB_ENTRY(uint32_t host_minor) {
  (void)host_minor;
  static const sb_backend table = {
    .struct_size = sizeof(sb_backend), .major = SB_MAJOR, .minor = SB_MINOR, .name = "fusing", .version = "1",
    .device_info = device_info, .open = open_device, .close = close_device, .query = query, .compile = compile,
    .run = run, .release = release};
  return &table;
}
