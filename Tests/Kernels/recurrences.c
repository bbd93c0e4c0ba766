/* Recurrent layers step by step in Float64, the way there and back; samples that do not know each other. */
#include "check.h"

enum { MOST_UNITS = 520 };

typedef struct {
  int64_t samples, steps, units;
  int activation, recurrent_activation, is_masked, is_reversed, is_scaled;
} form;

/* Single numbers, whole vectors and rests, several blocks of samples and of terms, every function, no sample. */
static const form forms[] = {
  {1, 1, 1, SB_TANH, SB_SIGMOID}, {0, 3, 2, SB_TANH, SB_SIGMOID}, {3, 4, 5, SB_TANH, SB_SIGMOID, 0, 1},
  {2, 5, 16, SB_TANH, SB_SIGMOID, 1}, {5, 3, 17, SB_RELU, SB_HARD_SIGMOID, 1, 1, 1},
  {13, 2, 31, SB_TANH, SB_SIGMOID, 0, 0, 1}, {37, 3, 33, SB_TANH, SB_SIGMOID, 1, 1},
  {70, 2, 3, SB_SIGMOID, SB_TANH, 1}, {2, 3, 65, SB_SOFTPLUS, SB_RELU, 1}, {3, 2, 40, SB_SELU, SB_IDENTITY, 0, 1},
  {2, 2, 513, SB_TANH, SB_SIGMOID, 1}, {1, 40, 7, SB_HARD_SIGMOID, SB_SIGMOID, 1, 0, 1},
};

static double applied(int function, double x) {
  switch (function) {
    case SB_TANH: return tanh(x);
    case SB_SIGMOID: return 1 / (1 + exp(-x));
    case SB_RELU: return x > 0 ? x : 0;
    case SB_HARD_SIGMOID: return fmin(fmax(x / 6 + 0.5, 0), 1);
    case SB_SELU: return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * expm1(x));
    case SB_SOFTPLUS: return log1p(exp(x));
    default: return x;
  }
}

/* In terms of the result. */
static double slope(int function, double y) {
  switch (function) {
    case SB_TANH: return 1 - y * y;
    case SB_SIGMOID: return y * (1 - y);
    case SB_RELU: return y > 0;
    case SB_HARD_SIGMOID: return y > 0 && y < 1 ? 1.0 / 6 : 0;
    case SB_SELU: return 1.0507009873554805 * (y > 0 ? 1 : y / 1.0507009873554805 + 1.6732632423543772);
    case SB_SOFTPLUS: return -expm1(-y);
    default: return 1;
  }
}

typedef struct {
  form f;
  sb_recurrence s;
  int64_t gates, width, states, lines, sequence;
  float *kernel;
} example;

static example example_of(const form *f, int cell, int resets_after) {
  const int64_t gates = cell == SB_LSTM ? 4 : cell == SB_GRU ? 3 : 1, width = gates * f->units;
  example e = {*f, {f->steps, f->units, cell, f->activation, f->recurrent_activation, f->is_reversed, resets_after}};
  e.gates = gates, e.width = width, e.states = f->samples * f->units;
  e.lines = f->samples * f->steps * width, e.sequence = f->samples * f->steps * f->units;
  const float most = 1 / sqrtf((float)f->units);
  e.kernel = uniform(f->units * width, -most, most);
  return e;
}

/* Panels are packed one without the other, the last one first; none writes where another did. */
static float *packed(const sb_kernels *k, const example *e, int is_backward) {
  const int64_t count = k->recurrence_packed_bytes(&e->s, is_backward) / 4;
  float *to = bytes(4 * count, 64), *own = bytes(4 * count, 64);
  int is_apart = 1;
  for (int64_t panel = k->recurrence_panels(&e->s, is_backward); panel-- > 0;) {
    memset(own, 0xFF, 4 * (size_t)count);
    k->recurrence_pack(&e->s, is_backward, e->kernel, own, panel, 1);
    for (int64_t at = 0; at < count; at++)
      if (own[at] == own[at]) is_apart &= to[at] != to[at], to[at] = own[at];
  }
  expect(is_apart, "panels apart");
  return to;
}

/* About a third of the steps; of the first sample all but one. */
static uint8_t *mask_of(const form *f) {
  uint8_t *mask = bytes(f->samples * f->steps, 1);
  for (int64_t e = 0; e < f->samples * f->steps; e++) mask[e] = e < f->steps ? e == f->steps / 2 : random_word() % 3 > 0;
  return mask;
}

static void expect_all(const char *what, const example *e, int64_t count, const float *found, const double *exact) {
  const double terms = (double)(e->width + 4);
  if (found) expect_sums(what, count, found, exact, 16 * terms + 4 * (double)e->f.steps * terms);
}

/* What follows the functions of step t is written to `gates`, what the product gave to `inner`. */
static void exact_step(
  const example *e, const sb_recurrence_values *v, int64_t n, int64_t t, double *h, double *c, double *gates,
  double *inner) {
  const int64_t units = e->f.units, width = e->width;
  const float *x = v->projected + (n * e->f.steps + t) * width, *factors = v->scale ? v->scale + n * units : NULL;
  double read[MOST_UNITS], sums[4 * MOST_UNITS];
  for (int64_t u = 0; u < units; u++) read[u] = h[u] * (factors ? factors[u] : 1);
  for (int64_t g = 0; g < width; g++) {
    sums[g] = v->bias ? v->bias[g] : 0;
    for (int64_t u = 0; u < units; u++) sums[g] += read[u] * e->kernel[u * width + g];
  }
  for (int64_t u = 0; u < units; u++) {
    const int act = e->f.activation, gate = e->f.recurrent_activation;
    if (e->s.cell == SB_SIMPLE) h[u] = applied(act, x[u] + sums[u]);
    if (e->s.cell == SB_LSTM) {
      for (int64_t g = 0; g < 4; g++)
        gates[g * units + u] = applied(g == 2 ? act : gate, x[g * units + u] + sums[g * units + u]);
      c[u] = gates[units + u] * c[u] + gates[u] * gates[2 * units + u];
      h[u] = gates[3 * units + u] * applied(act, c[u]);
    }
    if (e->s.cell == SB_GRU)
      for (int64_t g = 0; g < 2; g++) gates[g * units + u] = applied(gate, x[g * units + u] + sums[g * units + u]);
  }
  if (e->s.cell != SB_GRU) return;
  const double *z = gates, *r = gates + units;
  double *own = gates + 2 * units;
  for (int64_t u = 0; u < units; u++) {
    double sum = inner[u] = sums[2 * units + u];
    if (e->s.resets_after) sum *= r[u];
    else {
      sum = 0;
      for (int64_t i = 0; i < units; i++) sum += r[i] * read[i] * e->kernel[i * width + 2 * units + u];
    }
    own[u] = applied(e->f.activation, x[2 * units + u] + sum);
  }
  for (int64_t u = 0; u < units; u++) h[u] = z[u] * h[u] + (1 - z[u]) * own[u];
}

static int64_t time_of(const form *f, int64_t step) { return f->is_reversed ? f->steps - 1 - step : step; }

static void check_forward(const sb_kernels *k, const example *e) {
  const form *f = &e->f;
  const int64_t units = f->units, samples = f->samples;
  const int is_lstm = e->s.cell == SB_LSTM, is_gru = e->s.cell == SB_GRU, has_inner = is_gru && e->s.resets_after;
  sb_recurrence_values v = {
    .projected = uniform(e->lines, -2, 2), .bias = has_inner ? uniform(e->width, -1, 1) : NULL,
    .state = uniform(e->states, -1, 1), .cell = is_lstm ? uniform(e->states, -1, 1) : NULL,
    .scale = f->is_scaled ? uniform(e->states, 0, 1.5f) : NULL, .mask = f->is_masked ? mask_of(f) : NULL,
    .h = floats(e->sequence), .c = is_lstm ? floats(e->sequence) : NULL,
    .gates = is_lstm || is_gru ? floats(e->lines) : NULL, .inner = has_inner ? floats(e->sequence) : NULL};
  /* Nothing of a masked step is read. */
  for (int64_t at = 0; v.mask && at < samples * f->steps; at++)
    if (!v.mask[at]) v.projected[at * e->width + at % e->width] = NAN;
  const float *panels = packed(k, e, 0);
  void *scratch = bytes(k->recurrence_scratch_bytes(&e->s, samples), 64);
  k->recurrence(&e->s, samples, &v, panels, scratch);
  double *h = doubles(e->sequence), *c = doubles(e->sequence), *gates = doubles(e->lines), *inner = doubles(e->sequence);
  for (int64_t n = 0; n < samples; n++) {
    double *state = widened(v.state + n * units, units), *cell = doubles(units);
    if (is_lstm) cell = widened(v.cell + n * units, units);
    for (int64_t step = 0; step < f->steps; step++) {
      const int64_t t = n * f->steps + time_of(f, step);
      if (!v.mask || v.mask[t])
        exact_step(e, &v, n, time_of(f, step), state, cell, gates + t * e->width, inner + t * units);
      memcpy(h + t * units, state, sizeof(double) * (size_t)units);
      memcpy(c + t * units, cell, sizeof(double) * (size_t)units);
    }
  }
  expect_all("states", e, e->sequence, v.h, h);
  expect_all("states of the cell", e, e->sequence, v.c, c);
  expect_all("gates", e, e->lines, v.gates, gates);
  expect_all("what a gate multiplies", e, e->sequence, v.inner, inner);
  /* Alone, and with nobody who wants more than states. */
  for (int64_t n = 0; n < samples; n += 7) {
    sb_recurrence_values own = {
      .projected = v.projected + n * f->steps * e->width, .bias = v.bias, .state = v.state + n * units,
      .cell = v.cell ? v.cell + n * units : NULL, .scale = v.scale ? v.scale + n * units : NULL,
      .mask = v.mask ? v.mask + n * f->steps : NULL, .h = floats(f->steps * units)};
    k->recurrence(&e->s, 1, &own, panels, bytes(k->recurrence_scratch_bytes(&e->s, 1), 64));
    expect_same("a sample alone", f->steps * units, own.h, v.h + n * f->steps * units);
  }
}

/* Step t backwards: dh and dc become what the step before gets. */
static void exact_step_back(
  const example *e, const sb_recurrence_gradients *v, int64_t n, int64_t step, double *dh, double *dc, double *delta,
  double *product) {
  const int64_t units = e->f.units, width = e->width, t = n * e->f.steps + time_of(&e->f, step);
  const int act = e->f.activation, gate = e->f.recurrent_activation, is_lstm = e->s.cell == SB_LSTM;
  const float *gates = v->gates + t * width, *factors = v->scale ? v->scale + n * units : NULL;
  const float *before = v->first ? v->first + n * units : NULL;
  if (before && step > 0) before = v->states + (n * e->f.steps + time_of(&e->f, step - 1)) * units;
  for (int64_t u = 0; u < units; u++) dh[u] += v->dh[t * units + u], dc[u] += v->dc ? v->dc[t * units + u] : 0;
  if (v->mask && !v->mask[t]) return;
  double carry[MOST_UNITS] = {0}, through[MOST_UNITS] = {0};
  for (int64_t u = 0; u < units; u++) {
    if (e->s.cell == SB_SIMPLE) delta[u] = dh[u] * slope(act, gates[u]);
    if (is_lstm) {
      const double i = gates[u], j = gates[units + u], g = gates[2 * units + u], o = gates[3 * units + u];
      const double out = applied(act, v->states[t * units + u]), d = dc[u] + dh[u] * o * slope(act, out);
      delta[u] = d * g * slope(gate, i), delta[units + u] = d * before[u] * slope(gate, j);
      delta[2 * units + u] = d * i * slope(act, g), delta[3 * units + u] = dh[u] * out * slope(gate, o);
      dc[u] = d * j;
    }
    if (e->s.cell == SB_GRU) {
      const double z = gates[u], g = gates[2 * units + u];
      delta[u] = dh[u] * (before[u] - g) * slope(gate, z);
      delta[2 * units + u] = dh[u] * (1 - z) * slope(act, g);
      carry[u] = dh[u] * z;
    }
  }
  int64_t terms = width;
  if (e->s.cell == SB_GRU)
    for (int64_t u = 0; u < units; u++) {
      const double r = gates[units + u], own = delta[2 * units + u];
      double reset = 0;
      if (e->s.resets_after) reset = own * v->inner[t * units + u];
      else {
        for (int64_t i = 0; i < units; i++)
          through[u] += delta[2 * units + i] * e->kernel[u * width + 2 * units + i];
        reset = through[u] * (factors ? factors[u] : 1) * before[u], through[u] *= r, terms = 2 * units;
      }
      delta[units + u] = reset * slope(gate, r);
    }
  memcpy(product, delta, sizeof(double) * (size_t)width);
  if (e->s.cell == SB_GRU && e->s.resets_after)
    for (int64_t u = 0; u < units; u++) product[2 * units + u] *= gates[units + u];
  for (int64_t u = 0; u < units; u++) {
    for (int64_t g = 0; g < terms; g++) through[u] += product[g] * e->kernel[u * width + g];
    dh[u] = carry[u] + through[u] * (factors ? factors[u] : 1);
  }
}

static void check_backward(const sb_kernels *k, const example *e) {
  const form *f = &e->f;
  const int64_t units = f->units, samples = f->samples;
  const int is_lstm = e->s.cell == SB_LSTM, is_gru = e->s.cell == SB_GRU, has_inner = is_gru && e->s.resets_after;
  sb_recurrence_gradients v = {
    .gates = uniform(e->lines, 0.05f, 0.95f), .inner = has_inner ? uniform(e->sequence, -1, 1) : NULL,
    .states = is_lstm || is_gru ? uniform(e->sequence, -1, 1) : NULL,
    .first = is_lstm || is_gru ? uniform(e->states, -1, 1) : NULL, .dh = uniform(e->sequence, -2, 2),
    .dc = is_lstm && f->is_scaled ? uniform(e->sequence, -2, 2) : NULL,
    .scale = f->is_scaled ? uniform(e->states, 0, 1.5f) : NULL, .mask = f->is_masked ? mask_of(f) : NULL,
    .delta = floats(e->lines), .product = has_inner ? floats(e->lines) : NULL, .dstate = floats(e->states),
    .dcell = is_lstm ? floats(e->states) : NULL};
  for (int64_t at = 0; v.mask && at < samples * f->steps; at++)
    if (!v.mask[at]) v.gates[at * e->width + at % e->width] = NAN;
  /* The ends of hardSigmoid are kinks. */
  if (e->lines > 1) v.gates[0] = 0, v.gates[e->lines - 1] = 1;
  const float *panels = packed(k, e, 1);
  k->recurrence_backward(&e->s, samples, &v, panels, bytes(k->recurrence_scratch_bytes(&e->s, samples), 64));
  double *delta = doubles(e->lines), *product = doubles(e->lines), *dstate = doubles(e->states);
  double *dcell = doubles(e->states);
  for (int64_t n = 0; n < samples; n++)
    for (int64_t step = f->steps; step-- > 0;) {
      const int64_t at = (n * f->steps + time_of(f, step)) * e->width;
      exact_step_back(e, &v, n, step, dstate + n * units, dcell + n * units, delta + at, product + at);
    }
  expect_all("gradients of what was projected", e, e->lines, v.delta, delta);
  expect_all("gradients of products", e, e->lines, v.product, product);
  expect_all("gradients of first states", e, e->states, v.dstate, dstate);
  expect_all("gradients of the cell's first states", e, e->states, v.dcell, dcell);
  for (int64_t n = 0; n < samples; n += 7) {
    const int64_t line = n * f->steps * e->width, sequence = n * f->steps * units, state = n * units;
    sb_recurrence_gradients own = {
      .gates = v.gates + line, .inner = v.inner ? v.inner + sequence : NULL,
      .states = v.states ? v.states + sequence : NULL, .first = v.first ? v.first + state : NULL,
      .dh = v.dh + sequence, .dc = v.dc ? v.dc + sequence : NULL, .scale = v.scale ? v.scale + state : NULL,
      .mask = v.mask ? v.mask + n * f->steps : NULL, .delta = floats(f->steps * e->width)};
    k->recurrence_backward(&e->s, 1, &own, panels, bytes(k->recurrence_scratch_bytes(&e->s, 1), 64));
    expect_same("a sample alone", f->steps * e->width, own.delta, v.delta + line);
  }
}

/* A sample of masked steps hands gradients on, whatever the kernel is. */
static void check_masked(const sb_kernels *k, example *e) {
  const form *f = &e->f;
  e->kernel[0] = INFINITY;
  sb_recurrence_gradients v = {
    .gates = floats(e->lines), .inner = floats(e->sequence), .states = floats(e->sequence), .first = floats(e->states),
    .dh = uniform(e->sequence, -2, 2), .mask = memset(bytes(f->samples * f->steps, 1), 0, f->samples * f->steps),
    .delta = floats(e->lines), .dstate = floats(e->states), .dcell = floats(e->states)};
  k->recurrence_backward(
    &e->s, f->samples, &v, packed(k, e, 1), bytes(k->recurrence_scratch_bytes(&e->s, f->samples), 64));
  double *exact = doubles(e->states);
  for (int64_t n = 0; n < f->samples; n++)
    for (int64_t t = 0; t < f->steps; t++)
      for (int64_t u = 0; u < f->units; u++)
        exact[n * f->units + u] += v.dh[(n * f->steps + t) * f->units + u];
  expect_all("gradients of first states, all steps masked", e, e->states, v.dstate, exact);
  expect_same("gradients of masked steps", e->lines, v.delta, filled(e->lines, 0));
}

/* The functions by themselves, over all magnitudes: a simple cell whose kernel is 0. */
static void check_functions(const sb_kernels *k) {
  static const float far[] = {0, -0.0f, 1e-40f, -1e-30f, 1e-8f, 30, -30, 88, -86.9f, -200, 3e38f, INFINITY, -INFINITY, NAN};
  enum { COUNT = 14, MORE = 997 };
  for (int function = 0; function < 2; function++) {
    const form f = {COUNT + MORE, 1, 1, function ? SB_TANH : SB_SIGMOID, SB_SIGMOID};
    about("%s, recurrence: %s", k->name, function ? "tanh" : "sigmoid");
    example e = example_of(&f, SB_SIMPLE, 0);
    e.kernel[0] = 0;
    float *x = uniform(COUNT + MORE, -9, 9), *h = floats(COUNT + MORE);
    memcpy(x, far, sizeof far);
    sb_recurrence_values v = {.projected = x, .state = filled(COUNT + MORE, 1), .h = h};
    k->recurrence(&e.s, f.samples, &v, packed(k, &e, 0), bytes(k->recurrence_scratch_bytes(&e.s, f.samples), 64));
    int are_near = 1;
    for (int i = 0; i < COUNT + MORE; i++) {
      const double exact = applied(f.activation, x[i]);
      are_near &= exact != exact ? h[i] != h[i] : fabs(h[i] - exact) <= 2 * 0x1p-23 * fabs(exact) + 0x1p-126;
      are_near &= exact != exact || !signbit(h[i]) == !signbit(exact + 0.0);
    }
    expect(are_near, "within two units in the last place");
    release();
  }
}

void test_recurrences(const sb_kernels *k) {
  static const char *const cells[] = {"simple", "LSTM", "GRU", "GRU that resets before"};
  check_functions(k);
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
    for (int cell = 0; cell < 4; cell++) {
      const form *f = &forms[i];
      about(
        "%s, recurrence: %s, %dx%dx%d, functions %d %d, masked %d, reversed %d, scaled %d", k->name, cells[cell],
        (int)f->samples, (int)f->steps, (int)f->units, f->activation, f->recurrent_activation, f->is_masked,
        f->is_reversed, f->is_scaled);
      example e = example_of(f, cell < 3 ? cell : SB_GRU, cell == SB_GRU);
      check_forward(k, &e);
      check_backward(k, &e);
      check_masked(k, &e);
      release();
    }
}
