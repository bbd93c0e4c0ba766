/* Functions of each element: of one variable and their slopes, of two, comparisons, choices, conversions.
 *
 * Algorithm: a loop a function, so that the compiler makes a vector loop of each; activations made of exponentials are those
 * of vector_functions.h, what is left of the C library (exp, log, power) is called once an element. Functions of the table
 * that state formulas come from elementwise_functions.h.
 * Layout: dense; an operand of binary functions may be a scalar (stride 0).
 * Bound: what Sources/Programs/Operations/Elementwise.swift states, in units in the last place.
 * Limited by memory, except where the C library is called. */
#define SELU_SCALE 1.0507009873554805f
#define SELU_ALPHA 1.6732632423543772f

#define EACH(expression) \
  for (int64_t e = 0; e < count; e++) { \
    float v = x[e]; \
    y[e] = (expression); \
  } \
  break

#define EACH_VECTOR(expression) \
  for (int64_t e = 0; e < count; e += VECTOR) { \
    const vector v = load_lanes(x + e, count - e); \
    store_lanes(y + e, (expression), count - e); \
  } \
  break

static int unary(int function, float alpha, int64_t count, const float *x, float *y) {
  switch (function) {
    case SB_IDENTITY: EACH(v);
    case SB_NEGATE: EACH(-v);
    case SB_ABSOLUTE: EACH(fabsf(v));
    case SB_EXP: EACH(expf(v));
    case SB_LOG: EACH(logf(v));
    case SB_SQRT: EACH(sqrtf(v));
    case SB_RSQRT: EACH(1 / sqrtf(v));
    case SB_SQUARE: EACH(v * v);
    case SB_RECIPROCAL: EACH(1 / v);
    case SB_SIGN: EACH(v > 0 ? 1 : v < 0 ? -1 : v);
    case SB_FLOOR: EACH(floorf(v));
    /* NaN stays NaN: the monitor has to see it. */
    case SB_RELU: EACH(v <= 0 ? 0 : v);
    case SB_LEAKY_RELU: EACH(v > 0 ? v : alpha * v);
    case SB_ELU: EACH_VECTOR(choose(v > 0, v, alpha * expm1_of(v)));
    case SB_SELU: EACH_VECTOR(SELU_SCALE * choose(v > 0, v, SELU_ALPHA * expm1_of(v)));
    case SB_GELU: EACH_VECTOR(gelu_of(v));
    case SB_GELU_TANH: EACH_VECTOR(v * gelu_tanh_share_of(v));
    case SB_SWISH: EACH_VECTOR(v * sigmoid_of(v));
    case SB_SIGMOID: EACH_VECTOR(sigmoid_of(v));
    case SB_HARD_SIGMOID: EACH(v <= -3 ? 0 : v >= 3 ? 1 : v / 6 + 0.5f);
    case SB_TANH: EACH_VECTOR(tanh_of(v));
    case SB_SOFTPLUS: EACH((v > 0 ? v : 0) + log1pf(expf(-fabsf(v))));
    case SB_IS_FINITE: EACH(v - v == 0 ? 1 : 0);
    SB_FORWARD_FORMULAS
    default: return false;
  }
  return true;
}
#undef EACH
#undef EACH_VECTOR

#define EACH(expression) \
  for (int64_t e = 0; e < count; e++) { \
    float v = x[e]; \
    dx[e] = dy[e] * (expression); \
  } \
  break

#define EACH_VECTOR(expression) \
  for (int64_t e = 0; e < count; e += VECTOR) { \
    const vector v = load_lanes(x + e, count - e); \
    store_lanes(dx + e, load_lanes(dy + e, count - e) * (expression), count - e); \
  } \
  break

static int unary_backward(int function, float alpha, int64_t count, const float *x, const float *dy, float *dx) {
  switch (function) {
    case SB_IDENTITY: EACH(1 + 0 * (v != v));
    case SB_NEGATE: EACH(-1 + 0 * (v != v));
    /* Neither side of a kink takes a NaN: it is handed on. */
    case SB_ABSOLUTE: EACH(v > 0 ? 1 : v < 0 ? -1 : v);
    case SB_EXP: EACH(v);
    case SB_LOG: EACH(1 / v);
    case SB_SQRT: EACH(1 / (2 * v));
    case SB_RSQRT: EACH(v * v * v / -2);
    case SB_SQUARE: EACH(2 * v);
    case SB_RECIPROCAL: EACH(-v * v);
    case SB_RELU:
      for (int64_t e = 0; e < count; e++) dx[e] = x[e] > 0 ? dy[e] : x[e] <= 0 ? 0 : x[e];
      break;
    case SB_LEAKY_RELU: EACH(v > 0 ? 1 : v <= 0 ? alpha : v);
    case SB_ELU: EACH(v > 0 ? 1 : v + alpha);
    case SB_SELU: EACH(v > 0 ? SELU_SCALE : v + SELU_SCALE * SELU_ALPHA);
    case SB_GELU: EACH_VECTOR(gelu_slope_of(v));
    case SB_GELU_TANH: EACH_VECTOR(gelu_tanh_slope_of(v));
    case SB_SWISH: EACH_VECTOR(swish_slope_of(v));
    case SB_SIGMOID: EACH(v * (1 - v));
    case SB_HARD_SIGMOID: EACH(v <= -3 ? 0 : v >= 3 ? 0 : v == v ? 1.0f / 6 : v);
    case SB_TANH: EACH(1 - v * v);
    case SB_SOFTPLUS: EACH(-expm1f(-v));
    /* Constant almost everywhere. */
    case SB_SIGN: case SB_FLOOR: case SB_IS_FINITE: EACH(0 * (v != v));
    SB_SLOPE_FORMULAS
    default: return false;
  }
  return true;
}
#undef EACH
#undef EACH_VECTOR

static inline float apply(int function, float a, float b) {
  switch (function) {
    case SB_ADD: return a + b;
    case SB_SUBTRACT: return a - b;
    case SB_MULTIPLY: return a * b;
    case SB_DIVIDE: return a / b;
    case SB_MAXIMUM: return a >= b || a != a ? a : b;
    case SB_POWER: return powf(a, b);
    default: return a <= b || a != a ? a : b;
  }
}

#define FOR_EACH_FUNCTION(loop) \
  switch (function) { \
    case SB_ADD: loop(SB_ADD); break; \
    case SB_SUBTRACT: loop(SB_SUBTRACT); break; \
    case SB_MULTIPLY: loop(SB_MULTIPLY); break; \
    case SB_DIVIDE: loop(SB_DIVIDE); break; \
    case SB_MAXIMUM: loop(SB_MAXIMUM); break; \
    case SB_POWER: loop(SB_POWER); break; \
    case SB_MINIMUM: loop(SB_MINIMUM); break; \
    default: return false; \
  } \
  return true

static int binary(int function, int64_t count, const float *a, int sa, const float *b, int sb, float *y) {
#define LOOP(f) \
  if (sa && sb) for (int64_t e = 0; e < count; e++) y[e] = apply(f, a[e], b[e]); \
  else for (int64_t e = 0; e < count; e++) y[e] = apply(f, sa ? a[e] : scalar, sb ? b[e] : scalar)
  const float scalar = count ? sa ? *b : *a : 0;
  FOR_EACH_FUNCTION(LOOP);
#undef LOOP
}

static int binary_row(int function, int64_t rows, int64_t columns, const float *a, const float *b, float *y) {
#define LOOP(f) \
  for (int64_t r = 0; r < rows; r++) \
    for (int64_t c = 0; c < columns; c++) y[r * columns + c] = apply(f, a[r * columns + c], b[c])
  FOR_EACH_FUNCTION(LOOP);
#undef LOOP
}

static int compare(int function, int64_t count, const float *a, int sa, const float *b, int sb, uint8_t *y) {
#define LOOP(relation) \
  if (sa && sb) for (int64_t e = 0; e < count; e++) y[e] = a[e] relation b[e]; \
  else for (int64_t e = 0; e < count; e++) y[e] = a[e * sa] relation b[e * sb]
  switch (function) {
    case SB_EQUAL: LOOP(==); break;
    case SB_GREATER: LOOP(>); break;
    case SB_GREATER_EQUAL: LOOP(>=); break;
    case SB_LESS: LOOP(<); break;
    default: return false;
  }
#undef LOOP
  return true;
}

static void select_elements(
  int64_t count, const uint8_t *condition, int sc, const uint32_t *a, int sa, const uint32_t *b, int sb, uint32_t *y) {
  if (sc)
    for (int64_t e = 0; e < count; e++) {
      uint32_t left = a[e * sa], right = b[e * sb];
      y[e] = condition[e] ? left : right;
    }
  else {
    const uint32_t *from = condition[0] ? a : b;
    int stride = condition[0] ? sa : sb;
    for (int64_t e = 0; e < count; e++) y[e] = from[e * stride];
  }
}

static void bool_to_float(int64_t count, const uint8_t *x, float *y) {
  for (int64_t e = 0; e < count; e++) y[e] = x[e] ? 1 : 0;
}

static void byte_to_float(int64_t count, const uint8_t *x, float *y) {
  for (int64_t e = 0; e < count; e++) y[e] = x[e];
}

static void byte_to_float_scaled(int64_t count, const uint8_t *x, float scale, float *y) {
  for (int64_t e = 0; e < count; e++) y[e] = (float)x[e] * scale;
}
