/* Functions of each element and their slopes: every function of the table, by its formula in Float64, and by its law
 * where an operand is NaN; choices, conversions and moves, which are exact. */
#include "check.h"

static const char *const unary_words[] = {SB_UNARY_WORDS};
static const char *const arithmetic_words[] = {SB_ARITHMETIC_WORDS};
static const char *const comparison_words[] = {SB_COMPARISON_WORDS};
#define COUNT_OF(words) (int)(sizeof words / sizeof *words)
static const float ALPHA = 0.3f;
static const int counts[] = {0, 1, 7, 16, 101};
enum { COUNTS = 5 };

static const double SELU_SCALE = 1.0507009873554805, SELU_ALPHA = 1.6732632423543772;
static double normal_share(double v) { return (1 + erf(v / sqrt(2))) / 2; }
static double logistic(double v) { return 1 / (1 + exp(-v)); }
static double gelu_tanh(double v) { return tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)); }

/* A function that states formulas is computed by these, in Float64. */
#define EACH(expression) return (expression)
static double unary_of(int function, double v, int *has_formula) {
  switch (function) {
    case SB_IDENTITY: return v;
    case SB_NEGATE: return -v;
    case SB_ABSOLUTE: return fabs(v);
    case SB_EXP: return exp(v);
    case SB_LOG: return log(v);
    case SB_SQRT: return sqrt(v);
    case SB_RSQRT: return 1 / sqrt(v);
    case SB_SQUARE: return v * v;
    case SB_RECIPROCAL: return 1 / v;
    case SB_SIGN: return v > 0 ? 1 : v < 0 ? -1 : v;
    case SB_FLOOR: return floor(v);
    case SB_RELU: return v <= 0 ? 0 : v;
    case SB_LEAKY_RELU: return v > 0 ? v : ALPHA * v;
    case SB_ELU: return v > 0 ? v : ALPHA * expm1(v);
    case SB_SELU: return SELU_SCALE * (v > 0 ? v : SELU_ALPHA * expm1(v));
    case SB_GELU: return v * normal_share(v);
    case SB_GELU_TANH: return v / 2 * (1 + gelu_tanh(v));
    case SB_SWISH: return v * logistic(v);
    case SB_SIGMOID: return logistic(v);
    case SB_HARD_SIGMOID: return v <= -3 ? 0 : v >= 3 ? 1 : v / 6 + 0.5;
    case SB_TANH: return tanh(v);
    case SB_SOFTPLUS: return v != v ? v : fmax(v, 0) + log1p(exp(-fabs(v)));
    case SB_IS_FINITE: return isfinite(v);
    SB_FORWARD_FORMULAS
    default: return *has_formula = 0;
  }
}

/* Of the operand, or of the result where the table says so. */
static double slope_of(int function, double v, int *has_formula) {
  switch (function) {
    case SB_IDENTITY: return 1;
    case SB_NEGATE: return -1;
    case SB_ABSOLUTE: return v > 0 ? 1 : v < 0 ? -1 : v;
    case SB_EXP: return v;
    case SB_LOG: return 1 / v;
    case SB_SQRT: return 1 / (2 * v);
    case SB_RSQRT: return -v * v * v / 2;
    case SB_SQUARE: return 2 * v;
    case SB_RECIPROCAL: return -v * v;
    case SB_SIGN: case SB_FLOOR: case SB_IS_FINITE: return 0;
    case SB_RELU: return v > 0 ? 1 : v <= 0 ? 0 : v;
    case SB_LEAKY_RELU: return v > 0 ? 1 : v <= 0 ? ALPHA : v;
    case SB_ELU: return v > 0 ? 1 : v + ALPHA;
    case SB_SELU: return v > 0 ? SELU_SCALE : v + SELU_SCALE * SELU_ALPHA;
    case SB_GELU: return normal_share(v) + v * exp(-v * v / 2) / sqrt(2 * 3.14159265358979324);
    case SB_GELU_TANH: {
      double t = gelu_tanh(v);
      return (1 + t) / 2 + v / 2 * (1 - t * t) * 0.7978845608028654 * (1 + 0.134145 * v * v);
    }
    case SB_SWISH: return logistic(v) * (1 + v * (1 - logistic(v)));
    case SB_SIGMOID: return v * (1 - v);
    case SB_HARD_SIGMOID: return v <= -3 || v >= 3 ? 0 : v == v ? 1.0 / 6 : v;
    case SB_TANH: return 1 - v * v;
    case SB_SOFTPLUS: return 1 - exp(-v);
    SB_SLOPE_FORMULAS
    default: return *has_formula = 0;
  }
}
#undef EACH

/* Those of one rounding. */
static double ulps_of(int function) {
  switch (function) {
    case SB_IDENTITY: case SB_NEGATE: case SB_ABSOLUTE: case SB_SQUARE: case SB_SIGN: case SB_FLOOR: case SB_RELU:
    case SB_LEAKY_RELU: case SB_IS_FINITE: return 1;
    default: return 8;
  }
}

static void check_unary(const sb_kernels *k, int function, int64_t count) {
  int is_positive = function == SB_LOG || function == SB_SQRT || function == SB_RSQRT || function == SB_RECIPROCAL;
  int of_results = function == SB_SIGMOID || function == SB_TANH || function == SB_SOFTPLUS, has_formula = 1;
  float *x = uniform(count, is_positive ? 0.25f : -6, is_positive ? 4 : 6), *dy = uniform(count, -2, 2);
  float *v = uniform(count, is_positive ? 0.25f : of_results ? 0.1f : -6, is_positive ? 4 : of_results ? 0.9f : 6);
  if (count > 6) x[2] = NAN, v[3] = NAN, v[5] = 0, x[4] = is_positive ? 1 : -0.0f, dy[6] = NAN;
  double *y = doubles(count), *dx = doubles(count);
  for (int64_t e = 0; e < count; e++) {
    y[e] = unary_of(function, x[e], &has_formula), dx[e] = dy[e] * slope_of(function, v[e], &has_formula);
    /* Relu opens nothing: where it gave no number above 0, its gradient is 0 whatever comes. */
    if (function == SB_RELU && v[e] <= 0) dx[e] = 0;
  }
  expect(has_formula, "the function has no formula in this test");
  float *found = floats(count), *slopes = floats(count), *in_place = copied(x, count);
  expect(k->unary(function, ALPHA, count, x, found), "unary: not there");
  expect(k->unary(function, ALPHA, count, in_place, in_place), "unary: not there");
  expect(k->unary_backward(function, ALPHA, count, v, dy, slopes), "unary_backward: not there");
  if (function == SB_GELU || function == SB_GELU_TANH) expect_ulps_of_largest("unary", count, found, y, 4, 6);
  else expect_ulps("unary", count, found, y, ulps_of(function), 0);
  expect_same("unary in place", count, in_place, found);
  expect_ulps_of_largest("unary_backward", count, slopes, dx, 16, 2);
}

/* Of every special value. */
static void check_relu(const sb_kernels *k) {
  const float values[6] = {NAN, -0.0f, 0, 2, INFINITY, -1}, upstream[6] = {1, NAN, INFINITY, NAN, -3, NAN};
  const float results[6] = {NAN, 0, 0, 2, INFINITY, 0}, slopes[6] = {NAN, 0, 0, NAN, -3, 0};
  float *x = floats(48), *dy = floats(48), *y = floats(48), *dx = floats(48), *expected_y = floats(48);
  float *expected_dx = floats(48);
  for (int e = 0; e < 48; e++)
    x[e] = values[e % 6], dy[e] = upstream[e % 6], expected_y[e] = results[e % 6], expected_dx[e] = slopes[e % 6];
  k->unary(SB_RELU, 0, 48, x, y);
  expect_same("relu", 48, y, expected_y);
  k->unary_backward(SB_RELU, 0, 48, y, dy, dx);
  expect_same("relu's gradient", 48, dx, expected_dx);
}

/* Activations made of exponentials, of numbers that are small, large and infinite: those of their formulas, infinities put
 * in as they stand. What is hardly a normal number may be 0. */
static void check_far(const sb_kernels *k, int function) {
  const float values[16] = {
    0, -0.0f, 0x1p-140f, -0x1p-140f, 1e-4f, -1e-4f, 20, -20, 80, -80, 90, -90, 3e38f, -3e38f, INFINITY, -INFINITY};
  int has_formula = 1;
  float *x = floats(16), *y = floats(16), *dx = floats(16), *ones = floats(16);
  for (int e = 0; e < 16; e++) x[e] = values[e], ones[e] = 1;
  k->unary(function, ALPHA, 16, x, y);
  k->unary_backward(function, ALPHA, 16, x, ones, dx);
  int of_results = function == SB_SIGMOID || function == SB_TANH || function == SB_ELU || function == SB_SELU;
  for (int e = 0; e < 16; e++) {
    const double exact = unary_of(function, x[e], &has_formula), slope = slope_of(function, x[e], &has_formula);
    const double large = fmax(fabs(exact), x[e] < 0 && (function == SB_GELU || function == SB_GELU_TANH) ? 1 : 0);
    expect(isnan(exact) ? isnan(y[e]) : exact == y[e] || fabs(exact - y[e]) <= 1e-6 * large + 1e-36, "far numbers");
    /* Large powers overflow in Float32: there a slope of 1 or 0 may be NaN. */
    if (of_results || fabsf(x[e]) > 1e18f) continue;
    expect(fabs(slope - dx[e]) <= 2e-6, "slopes of far numbers");
  }
}

static double arithmetic_of(int function, double a, double b, int *has_formula) {
  switch (function) {
    case SB_ADD: return a + b;
    case SB_SUBTRACT: return a - b;
    case SB_MULTIPLY: return a * b;
    case SB_DIVIDE: return a / b;
    case SB_MAXIMUM: return a != a || b != b ? NAN : a > b ? a : b;
    case SB_MINIMUM: return a != a || b != b ? NAN : a < b ? a : b;
    case SB_POWER: return pow(a, b);
    default: return *has_formula = 0;
  }
}

static void check_binary(const sb_kernels *k, int function, int64_t count) {
  int has_formula = 1;
  double ulps = function == SB_POWER ? 32 : 1;
  for (int strides = 1; strides < 4; strides++) {
    int sa = strides & 1, sb = strides >> 1;
    float *a = uniform(sa ? count : 1, 0.25f, 4), *b = uniform(sb ? count : 1, 0.25f, 4), *y = floats(count);
    if (sa && count > 6) a[3] = NAN, a[5] = -0.5f;
    if (sb && count > 6) b[4] = NAN;
    double *exact = doubles(count);
    for (int64_t e = 0; e < count; e++) exact[e] = arithmetic_of(function, a[e * sa], b[e * sb], &has_formula);
    expect(k->binary(function, count, a, sa, b, sb, y), "binary: not there");
    expect_ulps("binary", count, y, exact, ulps, 0);
  }
  int64_t rows = 3;
  float *a = uniform(rows * count, 0.25f, 4), *b = uniform(count, 0.25f, 4), *y = floats(rows * count);
  double *exact = doubles(rows * count);
  for (int64_t e = 0; e < rows * count; e++) exact[e] = arithmetic_of(function, a[e], b[e % count], &has_formula);
  expect(k->binary_row(function, rows, count, a, b, y), "binary_row: not there");
  expect_ulps("binary_row", rows * count, y, exact, ulps, 0);
  expect(has_formula, "the function has no formula in this test");
}

static int comparison_of(int function, float a, float b, int *has_formula) {
  switch (function) {
    case SB_EQUAL: return a == b;
    case SB_GREATER: return a > b;
    case SB_GREATER_EQUAL: return a >= b;
    case SB_LESS: return a < b;
    default: return *has_formula = 0;
  }
}

static void check_choices(const sb_kernels *k, int function, int64_t count) {
  int has_formula = 1;
  for (int strides = 1; strides < 4; strides++) {
    int sa = strides & 1, sb = strides >> 1;
    float *a = uniform(sa ? count : 1, -2, 2), *b = uniform(sb ? count : 1, -2, 2);
    for (int64_t e = 0; sa && e < count; e++) a[e] = rintf(a[e]);
    for (int64_t e = 0; sb && e < count; e++) b[e] = rintf(b[e]);
    if (sa && count > 6) a[3] = NAN;
    uint8_t *y = bytes(count, 1);
    expect(k->compare(function, count, a, sa, b, sb, y), "compare: not there");
    int holds = 1;
    for (int64_t e = 0; e < count; e++) holds &= y[e] == comparison_of(function, a[e * sa], b[e * sb], &has_formula);
    expect(holds, "compare");
    for (int sc = 0; sc < 2; sc++) {
      uint8_t *condition = bytes(sc ? count : 1, 1);
      for (int64_t e = 0; e < (sc ? count : 1); e++) condition[e] = random_word() >> 5 & 1;
      float *chosen = floats(count), *expected = floats(count);
      for (int64_t e = 0; e < count; e++) expected[e] = condition[e * sc] ? a[e * sa] : b[e * sb];
      k->select(count, condition, sc, (uint32_t *)a, sa, (uint32_t *)b, sb, (uint32_t *)chosen);
      expect_same("select", count, chosen, expected);
    }
  }
  expect(has_formula, "the function has no formula in this test");
}

static void check_conversions(const sb_kernels *k, int64_t count) {
  uint8_t *x = bytes(count, 1);
  float *numbers = floats(count), *truths = floats(count), *scaled = floats(count), *found = floats(count);
  for (int64_t e = 0; e < count; e++) {
    x[e] = (uint8_t)(random_word() >> 3 & (e % 3 ? 255 : 1));
    numbers[e] = x[e], truths[e] = x[e] != 0, scaled[e] = (float)x[e] * (1 / 255.0f);
  }
  k->bool_to_float(count, x, found);
  expect_same("bool_to_float", count, found, truths);
  k->byte_to_float(count, x, found);
  expect_same("byte_to_float", count, found, numbers);
  k->byte_to_float_scaled(count, x, 1 / 255.0f, found);
  expect_same("byte_to_float_scaled", count, found, scaled);
}

static void check_moves(const sb_kernels *k, int64_t count) {
  static const int strides[][2] = {{1, 1}, {3, 2}, {0, 1}, {-1, 1}, {1, 5}};
  for (int size = 1; size <= 8; size *= 2)
    for (int i = 0; i < 5; i++) {
      int from_stride = strides[i][0], to_stride = strides[i][1];
      int64_t read = count ? (count - 1) * abs(from_stride) + 1 : 0, written = count ? (count - 1) * to_stride + 1 : 0;
      uint8_t *from = bytes(read * size, size), *to = bytes(written * size, size);
      uint8_t *expected = bytes(written * size, size);
      for (int64_t e = 0; e < read * size; e++) from[e] = (uint8_t)random_word();
      const uint8_t *first = from_stride < 0 && count ? from + (read - 1) * size : from;
      for (int64_t e = 0; e < count; e++)
        for (int b = 0; b < size; b++) expected[e * to_stride * size + b] = first[e * from_stride * size + b];
      k->move(size, count, first, from_stride, to, to_stride);
      expect(memcmp(to, expected, (size_t)(written * size)) == 0, "move");
    }
}

void test_elementwise(const sb_kernels *k) {
  for (int i = 0; i < COUNTS; i++) {
    int count = counts[i];
    for (int f = 0; f < COUNT_OF(unary_words); f++) {
      about("%s, %s: %d elements", k->name, unary_words[f], count);
      expect(sb_unary_number(unary_words[f]) == f, "its number");
      check_unary(k, f, count);
      release();
    }
    for (int f = 0; f < COUNT_OF(arithmetic_words); f++) {
      about("%s, %s: %d elements", k->name, arithmetic_words[f], count);
      expect(sb_arithmetic_number(arithmetic_words[f]) == f, "its number");
      check_binary(k, f, count);
      release();
    }
    for (int f = 0; f < COUNT_OF(comparison_words); f++) {
      about("%s, %s: %d elements", k->name, comparison_words[f], count);
      expect(sb_comparison_number(comparison_words[f]) == f, "its number");
      check_choices(k, f, count);
      release();
    }
    about("%s, conversions and moves: %d elements", k->name, count);
    check_conversions(k, count);
    check_moves(k, count);
    release();
  }
  const int exponential[] = {SB_ELU, SB_SELU, SB_GELU, SB_GELU_TANH, SB_SWISH, SB_SIGMOID, SB_TANH};
  for (int i = 0; i < COUNT_OF(exponential); i++) {
    about("%s, %s: far numbers", k->name, unary_words[exponential[i]]);
    check_far(k, exponential[i]);
    release();
  }
  about("%s, relu", k->name);
  check_relu(k);
  about("%s, functions that are none", k->name);
  expect(!k->unary(COUNT_OF(unary_words), 0, 0, NULL, NULL), "unary");
  expect(!k->unary_backward(COUNT_OF(unary_words), 0, 0, NULL, NULL, NULL), "unary_backward");
  expect(!k->binary(COUNT_OF(arithmetic_words), 0, NULL, 1, NULL, 1, NULL), "binary");
  expect(!k->compare(COUNT_OF(comparison_words), 0, NULL, 1, NULL, 1, NULL), "compare");
  expect(
    sb_unary_number("none") == -1 && sb_arithmetic_number("none") == -1 && sb_comparison_number("none") == -1, "words");
  release();
}
