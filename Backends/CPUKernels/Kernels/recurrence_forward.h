/* The way through a recurrent layer: what a step's sums become, cell by cell (see recurrence.h). */

#define EACH_VECTOR(s, u) for (int64_t u = 0; u < (s)->units; u += VECTOR)

/* h = act(x + h R). */
static void simple_step(const sb_recurrence *s, const float *x, const float *sums, float *state) {
  EACH_VECTOR(s, u)
    *(vector *)(state + u) = activated(s->activation, load_lanes(x + u, s->units - u) + *(const vector *)(sums + u));
}

/* c = f c + i g and h = o act(c), of gates i f g o (Hochreiter and Schmidhuber, 1997, with the forget gate of Gers,
 * Schmidhuber and Cummins, 2000). `gates` may be null. */
static void lstm_step(
  const sb_recurrence *s, const float *x, const float *sums, float *state, float *cell, float *gates) {
  const int64_t units = s->units;
  EACH_VECTOR(s, u) {
    const int64_t lanes = units - u;
    vector v[4];
    UNROLLED(g, 4) {
      const int64_t at = g * units + u;
      v[g] = activated(
        g == 2 ? s->activation : s->recurrent_activation,
        load_lanes(x + at, lanes) + *(const vector *)(sums + at));
      if (gates) store_lanes(gates + at, v[g], lanes);
    }
    const vector c = v[1] * *(const vector *)(cell + u) + v[0] * v[2];
    *(vector *)(cell + u) = c;
    *(vector *)(state + u) = v[3] * activated(s->activation, c);
  }
}

/* The gates z and r of a GRU, in place of their sums. */
static void gru_gates(const sb_recurrence *s, const float *x, const float *bias, float *sums) {
  const int64_t width = 2 * s->units;
  for (int64_t u = 0; u < width; u += VECTOR) {
    vector v = load_lanes(x + u, width - u) + *(const vector *)(sums + u);
    if (bias) v += load_lanes(bias + u, width - u);
    *(vector *)(sums + u) = activated(s->recurrent_activation, v);
  }
}

/* h = z h + (1 - z) g with g = act(x + r (h R + b)), or act(x + (r h) R) where the state is reset before the product
 * (Cho et al., 2014, equations 5 to 8; the first form is that of cuDNN). `sums`: gates z and r, then the product from
 * `candidate` on. `gates` and `inner`, what r is multiplied with in the first form, may be null. */
static void gru_step(
  const sb_recurrence *s, const float *x, const float *bias, const float *sums, const float *candidate, float *state,
  float *gates, float *inner) {
  const int64_t units = s->units;
  EACH_VECTOR(s, u) {
    const int64_t lanes = units - u;
    const vector z = *(const vector *)(sums + u), r = *(const vector *)(sums + units + u);
    vector own = *(const vector *)(candidate + u);
    if (s->resets_after) {
      if (bias) own += load_lanes(bias + 2 * units + u, lanes);
      if (inner) store_lanes(inner + u, own, lanes);
      own *= r;
    }
    const vector g = activated(s->activation, load_lanes(x + 2 * units + u, lanes) + own);
    if (gates) {
      store_lanes(gates + u, z, lanes);
      store_lanes(gates + units + u, r, lanes);
      store_lanes(gates + 2 * units + u, g, lanes);
    }
    *(vector *)(state + u) = z * *(const vector *)(state + u) + (1 - z) * g;
  }
}

/* Where step t of a sample lies in a sequence of lines; null stays null. */
static inline float *line_of(float *sequence, int64_t sample, int64_t t, const sb_recurrence *s, int64_t width) {
  return sequence ? sequence + (sample * s->steps + t) * width : NULL;
}

static inline int is_masked(const uint8_t *mask, int64_t sample, int64_t t, const sb_recurrence *s) {
  return mask && !mask[sample * s->steps + t];
}

/* `rows` lines of `units` numbers to rows. */
static void copy_rows(int64_t rows, int64_t units, const float *lines, float *to, int64_t stride) {
  for (int64_t r = 0; r < rows; r++) memcpy(to + r * stride, lines + r * units, sizeof(float) * (size_t)units);
}

/* What products read of the states: they themselves, or their products with `factors` (null: none). */
static const float *scaled_states(
  const sb_recurrence *s, int64_t rows, const recurrence_rows *m, const float *factors) {
  if (!factors) return m->state;
  for (int64_t r = 0; r < rows; r++)
    EACH_VECTOR(s, u)
      *(vector *)(m->read + r * m->state_stride + u) =
        *(const vector *)(m->state + r * m->state_stride + u) * load_lanes(factors + r * s->units + u, s->units - u);
  return m->read;
}

/* Multiplies each row's state, as products read it, by its gate r, which stands behind its z. */
static void reset_states(const sb_recurrence *s, int64_t rows, const recurrence_rows *m, const float *states) {
  for (int64_t r = 0; r < rows; r++)
    EACH_VECTOR(s, u)
      *(vector *)(m->read + r * m->state_stride + u) =
        *(const vector *)(states + r * m->state_stride + u) *
        *(const vector *)(m->sums + r * m->sum_stride + s->units + u);
}

/* One step of some rows, from sample `first` on. */
static void recurrent_step(
  const sb_recurrence *s, int64_t first, int64_t rows, int64_t t, const sb_recurrence_values *v, const float *packed,
  const recurrence_rows *m) {
  const int64_t units = s->units, width = gate_width(s), candidate = packed_width(2 * units);
  const float *states = scaled_states(s, rows, m, v->scale ? v->scale + first * units : NULL);
  const sb_product part = product_of_part(s, gate_part(s, 0), 0);
  multiply_packed(&part, rows, states, m->state_stride, packed, m->sums, m->sum_stride, 0);
  if (s->cell == SB_GRU) {
    const sb_product last = product_of_part(s, gate_part(s, 1), 0);
    for (int64_t r = 0; r < rows; r++)
      gru_gates(s, line_of(v->projected, first + r, t, s, width), v->bias, m->sums + r * m->sum_stride);
    if (!s->resets_after) reset_states(s, rows, m, states), states = m->read;
    multiply_packed(
      &last, rows, states, m->state_stride, packed + packed_floats(&part), m->sums + candidate, m->sum_stride, 0);
  }
  for (int64_t r = 0; r < rows; r++) {
    const float *x = line_of(v->projected, first + r, t, s, width);
    float *gates = line_of(v->gates, first + r, t, s, width), *inner = line_of(v->inner, first + r, t, s, units);
    float *sums = m->sums + r * m->sum_stride, *state = m->state + r * m->state_stride;
    float *cell = m->cell + r * m->state_stride;
    const int64_t bytes = units * (int64_t)sizeof(float);
    if (is_masked(v->mask, first + r, t, s)) {
      if (gates) memset(gates, 0, (size_t)(width * (int64_t)sizeof(float)));
      if (inner) memset(inner, 0, (size_t)bytes);
    } else if (s->cell == SB_LSTM) lstm_step(s, x, sums, state, cell, gates);
    else if (s->cell == SB_GRU) gru_step(s, x, v->bias, sums, sums + candidate, state, gates, inner);
    else simple_step(s, x, sums, state);
    memcpy(line_of(v->h, first + r, t, s, units), state, (size_t)bytes);
    if (v->c) memcpy(line_of(v->c, first + r, t, s, units), cell, (size_t)bytes);
  }
}

static void recurrence(
  const sb_recurrence *s, int64_t samples, const sb_recurrence_values *v, const float *packed, void *scratch) {
  for (int64_t first = 0; first < samples;) {
    const int64_t rows = next_height(samples - first, RECURRENCE_ROWS);
    const recurrence_rows m = rows_in(s, rows, scratch);
    copy_rows(rows, s->units, v->state + first * s->units, m.state, m.state_stride);
    if (s->cell == SB_LSTM) copy_rows(rows, s->units, v->cell + first * s->units, m.cell, m.state_stride);
    for (int64_t step = 0; step < s->steps; step++)
      recurrent_step(s, first, rows, s->reversed ? s->steps - 1 - step : step, v, packed, &m);
    first += rows;
  }
}
