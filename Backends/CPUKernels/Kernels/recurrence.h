/* Recurrent layers over whole sequences (Sources/Programs/Operations/Recurrence.swift): what they share, and the way there.
 *
 * Goals, in order: bits that hang on a sample alone, not on those beside it; the recurrent kernel read from a cache;
 * everything between two products in registers.
 *
 * Algorithm: some ROWS samples are taken through all steps. A step is one product of their states with the packed kernel,
 * by the register tile of products, then one pass over the rows that adds what was projected, takes the gates' functions
 * and moves the state. A GRU that resets before its product has two products a step: its last one needs a gate.
 * Layout: gates side by side, [units of the first, units of the second, …]. States, and what products make, lie in rows that
 * begin whole vectors and a few floats apart, so that neither ends nor addresses a page apart matter.
 * Bound: each sum is over the units in order; functions by vector_functions.h, or of the table.
 * Limited by multiplications from some 64 units on, before by the gates' functions. */

/* Rows that are taken through the steps together: so many that a kernel of 1 MiB is read rarely enough. */
enum { RECURRENCE_ROWS = 32 };

/* Columns of the recurrent kernel that are multiplied at once. */
typedef struct {
  int64_t column, count;
} gate_columns;

static int64_t gate_count(const sb_recurrence *s) { return s->cell == SB_LSTM ? 4 : s->cell == SB_GRU ? 3 : 1; }
static int64_t gate_width(const sb_recurrence *s) { return gate_count(s) * s->units; }

/* A GRU's candidate is apart. */
static int part_count(const sb_recurrence *s) { return s->cell == SB_GRU ? 2 : 1; }
static gate_columns gate_part(const sb_recurrence *s, int part) {
  const int64_t first = s->cell == SB_GRU ? 2 * s->units : gate_width(s);
  return part == 0 ? (gate_columns){0, first} : (gate_columns){first, gate_width(s) - first};
}

/* Floats from one row to the next of `width` floats, which any vector that begins within them may be read from. */
static inline int64_t row_stride(int64_t width) { return packed_width(width) + LANES; }

/* A part of the kernel as a product reads it: the way there [units, gates], the way back transposed. */
static sb_product product_of_part(const sb_recurrence *s, gate_columns part, int is_backward) {
  return (sb_product){
    .n = is_backward ? s->units : part.count, .k = is_backward ? part.count : s->units,
    .b_stride = gate_width(s), .transpose_b = is_backward};
}

static int64_t packed_floats(const sb_product *p) { return p->k * packed_width(p->n); }

static int64_t recurrence_packed_bytes(const sb_recurrence *s, int is_backward) {
  int64_t count = 0;
  for (int part = 0; part < part_count(s); part++) {
    const sb_product p = product_of_part(s, gate_part(s, part), is_backward);
    count += packed_floats(&p);
  }
  return count * (int64_t)sizeof(float);
}

static int64_t recurrence_panels(const sb_recurrence *s, int is_backward) {
  int64_t count = 0;
  for (int part = 0; part < part_count(s); part++)
    count += panel_count(product_of_part(s, gate_part(s, part), is_backward).n);
  return count;
}

static void recurrence_pack(
  const sb_recurrence *s, int is_backward, const float *kernel, float *packed, int64_t first, int64_t count) {
  for (int part = 0; part < part_count(s); part++) {
    const gate_columns columns = gate_part(s, part);
    const sb_product p = product_of_part(s, columns, is_backward);
    const int64_t own = panel_count(p.n);
    for (int64_t panel = 0; panel < own; panel++) {
      const int64_t column = panel * 2 * VECTOR, left = p.n - column;
      const int width = next_width(left), lanes = left < width * VECTOR ? (int)left : width * VECTOR;
      if (panel >= first && panel < first + count)
        pack_columns(&p, kernel + columns.column, 0, p.k, column, lanes, width, packed + column * p.k);
    }
    packed += packed_floats(&p);
    first -= own;
  }
}

/* z[rows] = a[rows] times one packed part. Lanes behind the last column are nobody's. */
static void multiply_packed(
  const sb_product *part, int64_t rows, const float *a, int64_t a_stride, const float *packed, float *z,
  int64_t z_stride, int adds) {
  const sb_product p = {
    .m = rows, .n = part->n, .k = part->k, .a_stride = a_stride, .c_stride = z_stride, .adds = adds};
  for (int64_t column = 0; column < p.n;) {
    const int width = next_width(p.n - column), lanes = width * VECTOR;
    for (int64_t first = 0; first < p.k; first += TERMS) {
      const int64_t count = p.k - first < TERMS ? p.k - first : TERMS;
      product_panel(
        &p, a, packed + column * p.k + first * lanes, lanes, first, count, column, lanes, width, z, NULL);
    }
    column += lanes;
  }
}

static vector function_of_table(int function, vector v) {
  float numbers[VECTOR];
  memcpy(numbers, &v, sizeof numbers);
  unary(function, 0, VECTOR, numbers, numbers);
  return *(const vector *)numbers;
}

static vector slope_of_table(int function, vector v, vector dy) {
  float numbers[VECTOR], upstream[VECTOR];
  memcpy(numbers, &v, sizeof numbers);
  memcpy(upstream, &dy, sizeof upstream);
  unary_backward(function, 0, VECTOR, numbers, upstream, upstream);
  return *(const vector *)upstream;
}

/* A function of the table. */
INLINED vector activated(int function, vector v) {
  if (function == SB_SIGMOID) return sigmoid_of(v);
  if (function == SB_TANH) return tanh_of(v);
  if (function == SB_RELU) return rectified(v);
  return function_of_table(function, v);
}

/* The slope of hardSigmoid in terms of its result. */
INLINED vector hard_slope(vector v) {
  const vector sixth = (vector){0} + 1.0f / 6;
  const bits is_flat = (v <= 0) | (v >= 1), is_odd = v != v;
  return (vector)(((bits)sixth & ~is_flat) | ((bits)v & is_odd));
}

/* dy times its slope in terms of its result v. */
INLINED vector through(int function, vector v, vector dy) {
  if (function == SB_SIGMOID) return dy * (v * (1 - v));
  if (function == SB_TANH) return dy * (1 - v * v);
  if (function == SB_RELU) return gated(v, dy);
  /* Of hardSigmoid the table takes the slope of its operand. */
  if (function == SB_HARD_SIGMOID) return dy * hard_slope(v);
  return slope_of_table(function, v, dy);
}

/* The memory of some rows: their states and cells, what products read in place of the states, and what they make. */
typedef struct {
  float *state, *cell, *read, *sums;
  int64_t state_stride, sum_stride;
} recurrence_rows;

static int64_t rows_at_once(int64_t samples) { return samples < RECURRENCE_ROWS ? samples : RECURRENCE_ROWS; }

static int64_t recurrence_scratch_bytes(const sb_recurrence *s, int64_t samples) {
  const int64_t floats_of_row = 3 * row_stride(s->units) + row_stride(gate_width(s) + VECTOR);
  return rows_at_once(samples) * floats_of_row * (int64_t)sizeof(float);
}

static recurrence_rows rows_in(const sb_recurrence *s, int64_t rows, void *scratch) {
  recurrence_rows r = {.state_stride = row_stride(s->units), .sum_stride = row_stride(gate_width(s) + VECTOR)};
  r.state = scratch;
  r.cell = r.state + rows * r.state_stride;
  r.read = r.cell + rows * r.state_stride;
  r.sums = r.read + rows * r.state_stride;
  return r;
}
