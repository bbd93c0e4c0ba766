/* The way back through a recurrent layer, from the last step to the first: the gradients of what its functions were taken
 * of, cell by cell (see recurrence.h). */

/* What a step made on the way there, as lines of the program's memory, which end with their last number, and what it makes
 * on the way back. */
typedef struct {
  /* Behind their functions; of a simple cell its states. */
  const float *gates;
  /* The states after and before the step: of an LSTM those of its cell. */
  const float *after, *before;
  /* What a GRU multiplied r with. */
  const float *inner;
  /* The gradients from outside; that of the cell's states may be null. */
  const float *dh, *dc;
  /* Rows: the state's gradient from the step after, beside its product and by it; that of the cell's state. */
  float *carry, *back, *dcell;
  /* A row: the gradients as products read them. */
  float *delta;
  /* A line: the gradients of what was projected. */
  float *shown;
} step_back;

INLINED vector state_gradient(const step_back *b, int64_t u, int64_t lanes) {
  return load_lanes(b->dh + u, lanes) + (*(const vector *)(b->carry + u) + *(const vector *)(b->back + u));
}

INLINED vector cell_gradient(const step_back *b, int64_t u, int64_t lanes) {
  const vector dc = *(const vector *)(b->dcell + u);
  return b->dc ? dc + load_lanes(b->dc + u, lanes) : dc;
}

/* The step keeps its states: their gradients go on as they are. */
static void masked_step_back(const sb_recurrence *s, const step_back *b) {
  EACH_VECTOR(s, u) {
    *(vector *)(b->carry + u) = state_gradient(b, u, s->units - u);
    if (s->cell == SB_LSTM) *(vector *)(b->dcell + u) = cell_gradient(b, u, s->units - u);
  }
  memset(b->delta, 0, sizeof(float) * (size_t)gate_width(s));
}

static void simple_step_back(const sb_recurrence *s, const step_back *b) {
  EACH_VECTOR(s, u) {
    const int64_t lanes = s->units - u;
    const vector dh = state_gradient(b, u, lanes);
    store_lanes(b->delta + u, through(s->activation, load_lanes(b->gates + u, lanes), dh), lanes);
    *(vector *)(b->carry + u) = (vector){0};
  }
}

static void lstm_step_back(const sb_recurrence *s, const step_back *b) {
  const int64_t units = s->units;
  EACH_VECTOR(s, u) {
    const int64_t lanes = units - u;
    const vector i = load_lanes(b->gates + u, lanes), f = load_lanes(b->gates + units + u, lanes);
    const vector g = load_lanes(b->gates + 2 * units + u, lanes), o = load_lanes(b->gates + 3 * units + u, lanes);
    const vector out = activated(s->activation, load_lanes(b->after + u, lanes));
    const vector dh = state_gradient(b, u, lanes);
    const vector dc = cell_gradient(b, u, lanes) + through(s->activation, out, dh * o);
    const vector before = load_lanes(b->before + u, lanes);
    store_lanes(b->delta + u, through(s->recurrent_activation, i, dc * g), lanes);
    store_lanes(b->delta + units + u, through(s->recurrent_activation, f, dc * before), lanes);
    store_lanes(b->delta + 2 * units + u, through(s->activation, g, dc * i), lanes);
    store_lanes(b->delta + 3 * units + u, through(s->recurrent_activation, o, dh * out), lanes);
    *(vector *)(b->dcell + u) = dc * f;
    *(vector *)(b->carry + u) = (vector){0};
  }
}

/* All but the gradient of r where that waits for a product. */
static void gru_step_back(const sb_recurrence *s, const step_back *b) {
  const int64_t units = s->units;
  EACH_VECTOR(s, u) {
    const int64_t lanes = units - u;
    const vector z = load_lanes(b->gates + u, lanes), r = load_lanes(b->gates + units + u, lanes);
    const vector g = load_lanes(b->gates + 2 * units + u, lanes), before = load_lanes(b->before + u, lanes);
    const vector dh = state_gradient(b, u, lanes), dg = through(s->activation, g, dh * (1 - z));
    store_lanes(b->delta + u, through(s->recurrent_activation, z, dh * (before - g)), lanes);
    store_lanes(b->shown + 2 * units + u, dg, lanes);
    store_lanes(b->delta + 2 * units + u, s->resets_after ? dg * r : dg, lanes);
    if (s->resets_after)
      store_lanes(
        b->delta + units + u, through(s->recurrent_activation, r, dg * load_lanes(b->inner + u, lanes)), lanes);
    *(vector *)(b->carry + u) = dh * z;
  }
}

/* The rest of it: `back` is what the product made of the candidate's gradient. */
static void gru_reset_back(const sb_recurrence *s, const step_back *b, const float *factors) {
  EACH_VECTOR(s, u) {
    const int64_t lanes = s->units - u;
    const vector r = load_lanes(b->gates + s->units + u, lanes);
    vector d = *(const vector *)(b->back + u);
    if (factors) d *= load_lanes(factors + u, lanes);
    store_lanes(
      b->delta + s->units + u, through(s->recurrent_activation, r, d * load_lanes(b->before + u, lanes)), lanes);
    *(vector *)(b->carry + u) += d * r;
  }
}

/* Step t of sample n, whose row is the r-th. */
static step_back step_of(
  const sb_recurrence *s, const sb_recurrence_gradients *v, int64_t n, int64_t t, int64_t r, const recurrence_rows *m) {
  const int64_t units = s->units, width = gate_width(s), earlier = s->reversed ? t + 1 : t - 1;
  const int is_first = earlier < 0 || earlier == s->steps;
  const float *first = v->first ? v->first + n * units : NULL;
  return (step_back){
    .gates = line_of(v->gates, n, t, s, width),
    .after = line_of(v->states, n, t, s, units),
    .before = is_first ? first : line_of(v->states, n, earlier, s, units),
    .inner = line_of(v->inner, n, t, s, units),
    .dh = line_of(v->dh, n, t, s, units),
    .dc = line_of(v->dc, n, t, s, units),
    .carry = m->read + r * m->state_stride,
    .back = m->state + r * m->state_stride,
    .dcell = m->cell + r * m->state_stride,
    .delta = m->sums + r * m->sum_stride,
    .shown = line_of(v->delta, n, t, s, width),
  };
}

/* What the products made of a step's gradients is that of the states as products read them; a masked step has none, not
 * even where 0 times the kernel were NaN. */
static void end_products(
  const sb_recurrence *s, int64_t first, int64_t rows, int64_t t, const sb_recurrence_gradients *v,
  const recurrence_rows *m) {
  for (int64_t r = 0; r < rows; r++) {
    float *back = m->state + r * m->state_stride;
    if (is_masked(v->mask, first + r, t, s)) memset(back, 0, sizeof(float) * (size_t)s->units);
    else if (v->scale)
      EACH_VECTOR(s, u)
        *(vector *)(back + u) *= load_lanes(v->scale + (first + r) * s->units + u, s->units - u);
  }
}

/* One step of some rows, from sample `first` on. */
static void recurrent_step_back(
  const sb_recurrence *s, int64_t first, int64_t rows, int64_t t, const sb_recurrence_gradients *v,
  const float *packed, const recurrence_rows *m) {
  const int64_t units = s->units, width = gate_width(s);
  for (int64_t r = 0; r < rows; r++) {
    const step_back b = step_of(s, v, first + r, t, r, m);
    if (is_masked(v->mask, first + r, t, s)) masked_step_back(s, &b);
    else if (s->cell == SB_LSTM) lstm_step_back(s, &b);
    else if (s->cell == SB_GRU) gru_step_back(s, &b);
    else simple_step_back(s, &b);
  }
  const sb_product part = product_of_part(s, gate_part(s, 0), 1);
  const float *candidate = packed + packed_floats(&part);
  if (s->cell == SB_GRU && !s->resets_after) {
    const sb_product last = product_of_part(s, gate_part(s, 1), 1);
    multiply_packed(&last, rows, m->sums + 2 * units, m->sum_stride, candidate, m->state, m->state_stride, 0);
    for (int64_t r = 0; r < rows; r++) {
      const step_back b = step_of(s, v, first + r, t, r, m);
      if (!is_masked(v->mask, first + r, t, s))
        gru_reset_back(s, &b, v->scale ? v->scale + (first + r) * units : NULL);
    }
  }
  multiply_packed(&part, rows, m->sums, m->sum_stride, packed, m->state, m->state_stride, 0);
  if (s->cell == SB_GRU && s->resets_after) {
    const sb_product last = product_of_part(s, gate_part(s, 1), 1);
    multiply_packed(&last, rows, m->sums + 2 * units, m->sum_stride, candidate, m->state, m->state_stride, 1);
  }
  end_products(s, first, rows, t, v, m);
  for (int64_t r = 0; r < rows; r++) {
    const float *made = m->sums + r * m->sum_stride;
    const int64_t own = s->cell == SB_GRU && !is_masked(v->mask, first + r, t, s) ? 2 * units : width;
    memcpy(line_of(v->delta, first + r, t, s, width), made, sizeof(float) * (size_t)own);
    if (v->product) memcpy(line_of(v->product, first + r, t, s, width), made, sizeof(float) * (size_t)width);
  }
}

static void recurrence_backward(
  const sb_recurrence *s, int64_t samples, const sb_recurrence_gradients *v, const float *packed, void *scratch) {
  for (int64_t first = 0; first < samples;) {
    const int64_t rows = next_height(samples - first, RECURRENCE_ROWS);
    const recurrence_rows m = rows_in(s, rows, scratch);
    memset(scratch, 0, sizeof(float) * (size_t)(3 * rows * m.state_stride));
    for (int64_t step = s->steps - 1; step >= 0; step--)
      recurrent_step_back(s, first, rows, s->reversed ? s->steps - 1 - step : step, v, packed, &m);
    for (int64_t r = 0; r < rows; r++) {
      const float *carry = m.read + r * m.state_stride, *back = m.state + r * m.state_stride;
      float *dstate = v->dstate ? v->dstate + (first + r) * s->units : NULL;
      for (int64_t u = 0; dstate && u < s->units; u++) dstate[u] = carry[u] + back[u];
      if (v->dcell)
        memcpy(v->dcell + (first + r) * s->units, m.cell + r * m.state_stride, sizeof(float) * (size_t)s->units);
    }
    first += rows;
  }
}
