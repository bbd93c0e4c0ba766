/* The smallest useful backend: relu and plain matmul in Float32 on host memory. Copy it and put your kernels in.
 *
 *   make                       builds libSwitchbacktemplate.so with nothing but switchback_backend.h
 *   switchback train CONFIG --backend ./libSwitchbacktemplate.so
 *
 * What it declines goes to the next backend of the chain. */
#include "switchback_backend.h"

#include <stdio.h>
#include <stdlib.h>

enum kind { RELU, MATMUL };

/* One operation of a segment, with the numbers of its operands. */
struct step {
  enum kind kind;
  uint32_t a, b, y;
  int64_t rows, inner, columns; /* relu: rows elements */
};

struct sb_device {
  const sb_host *host;
};
struct sb_executable {
  uint32_t count;
  struct step steps[];
};

/* Whether a value is dense Float32 whose bytes can be counted, in a role that we know. */
static int is_plain(const sb_value *value) {
  const sb_type *type = &value->type;
  if (type->element != SB_F32 || type->rank > SB_MAX_RANK || type->layout || type->flags) return 0;
  if (value->role < SB_INPUT || value->role > SB_TAP) return 0;
  int64_t bytes = sizeof(float);
  for (uint32_t i = 0; i < type->rank; i++)
    if (type->extent[i] < 0 || __builtin_mul_overflow(bytes, type->extent[i] ? type->extent[i] : 1, &bytes)) return 0;
  return 1;
}

/* Whether the operation has so many operands and one result, all of them plain. */
static int has_plain_values(const sb_program *program, const sb_operation *operation, uint32_t inputs) {
  if (operation->input_count != inputs || operation->output_count != 1) return 0;
  for (uint32_t i = 0; i <= inputs; i++) {
    uint32_t number = i < inputs ? operation->inputs[i] : operation->outputs[0];
    if (number >= program->value_count || !is_plain(&program->values[number])) return 0;
  }
  return 1;
}

/* Fills `step` and answers null, or answers why the operation is declined: everything unknown is. */
static const char *understand(const sb_program *program, const sb_operation *operation, struct step *step) {
  if (program->flags) return "a flag is not known";
  if (strcmp(operation->name, "unary") == 0) {
    static const char *const known[] = {"function", "alpha"};
    const sb_attribute *function = sb_attribute_named(operation, "function");
    if (!sb_attributes_known(operation, known, 2) || !function) return "an attribute is not known";
    if (strcmp(function->value.text, "relu") != 0) return "only relu is implemented";
    if (!has_plain_values(program, operation, 1)) return "only dense f32 is implemented";
    step->kind = RELU;
    step->a = operation->inputs[0];
    step->y = operation->outputs[0];
    step->rows = (int64_t)sb_element_count(&program->values[step->a].type);
    return 0;
  }
  if (strcmp(operation->name, "matmul") == 0) {
    static const char *const known[] = {"transposeA", "transposeB"};
    if (!sb_attributes_known(operation, known, 2)) return "an attribute is not known";
    for (uint32_t i = 0; i < operation->attribute_count; i++)
      if (operation->attributes[i].value.integer) return "transposed operands are not implemented";
    if (!has_plain_values(program, operation, 2)) return "only dense f32 is implemented";
    step->kind = MATMUL;
    step->a = operation->inputs[0];
    step->b = operation->inputs[1];
    step->y = operation->outputs[0];
    const sb_type *a = &program->values[step->a].type, *b = &program->values[step->b].type;
    if (a->rank != 2 || b->rank != 2) return "only plain matrices are implemented";
    step->rows = a->extent[0];
    step->inner = a->extent[1];
    step->columns = b->extent[1];
    return 0;
  }
  return "not implemented by the template";
}

static sb_status device_info(const sb_backend *backend, uint32_t index, sb_info *info, sb_error *error) {
  (void)backend, (void)error;
  if (index > 0) return SB_END;
  info->name = "template";
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
    snprintf(words, sizeof words, "the template has no option %s", options[0].key);
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

static sb_status compile(
  sb_device *device, const sb_segment *segment, sb_executable **executable, sb_compiled *compiled, sb_error *error) {
  (void)device, (void)compiled;
  const sb_program *program = segment->program;
  if (segment->flags) return sb_fail(error, SB_UNSUPPORTED, -1, "a flag is not known");
  sb_executable *made = malloc(sizeof *made + program->operation_count * sizeof(struct step));
  if (!made) return sb_fail(error, SB_OUT_OF_MEMORY, -1, "no memory");
  made->count = program->operation_count;
  for (uint32_t i = 0; i < made->count; i++) {
    const char *why = understand(program, program->operations[i], &made->steps[i]);
    if (why) {
      free(made);
      return sb_fail(error, SB_UNSUPPORTED, (int32_t)i, why);
    }
  }
  *executable = made;
  return SB_OK;
}

static sb_status run(sb_device *device, sb_executable *executable, const sb_run *run, sb_ticket *ticket, sb_error *error) {
  (void)device, (void)error;
  for (uint32_t i = 0; i < executable->count; i++) {
    const struct step *s = &executable->steps[i];
    const float *a = run->views[s->a].host;
    float *y = run->views[s->y].host;
    if (s->kind == RELU) {
      for (int64_t e = 0; e < s->rows; e++) y[e] = a[e] <= 0 ? 0 : a[e]; /* NaN stays NaN */
    } else {
      const float *b = run->views[s->b].host;
      for (int64_t r = 0; r < s->rows; r++) {
        float *row = y + r * s->columns;
        for (int64_t c = 0; c < s->columns; c++) row[c] = 0;
        for (int64_t k = 0; k < s->inner; k++)
          for (int64_t c = 0; c < s->columns; c++) row[c] += a[r * s->inner + k] * b[k * s->columns + c];
      }
    }
  }
  *ticket = 0;
  return SB_OK;
}

static void release(sb_device *device, sb_executable *executable) { (void)device, free(executable); }

const sb_backend *SB_ENTRY(uint32_t host_minor) {
  (void)host_minor;
  static const sb_backend table = {
    .struct_size = sizeof(sb_backend), .major = SB_MAJOR, .minor = SB_MINOR, .name = "template", .version = "1",
    .device_info = device_info, .open = open_device, .close = close_device, .query = query, .compile = compile,
    .run = run, .release = release};
  return &table;
}
