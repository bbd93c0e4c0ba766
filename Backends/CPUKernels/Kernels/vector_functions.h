/* A register's vector of numbers, and the functions of it that are made of exp(x) - 1: the sigmoid, the hyperbolic tangent,
 * the normal distribution and the activations made of these.
 *
 * Goals, in order: right to a few units in the last place, also near 0 and far from it; NaN stays NaN; no call of the C
 * library, which takes one number at a time.
 *
 * Algorithm: x = n ln 2 + r with |r| <= ln 2 / 2, where ln 2 is a sum of two numbers so that n times the first is exact
 * (Cody and Waite, "Software Manual for the Elementary Functions", 1980, chapter 6); the Taylor polynomial of exp(r) - 1 of
 * degree 7, whose rest is 2e-8 of it; then 2^n by the bits of an exponent.
 * Bound: 2 units in the last place of the sigmoid and the tangent; below -87, where exp(x) is hardly a normal number any
 * more, it is taken for 0. Limited by multiplications (gelu and its slope, one
 * core of a Xeon with AVX-512, 2026-12-01: 0.6 and 0.7 ns a number, 13 and 18 by erff and expf). */

typedef float vector __attribute__((vector_size(4 * VECTOR), aligned(4), may_alias));
typedef int32_t bits __attribute__((vector_size(4 * VECTOR), aligned(4), may_alias));

#define INLINED static inline __attribute__((always_inline))

/* The first `lanes` numbers of a line, or a whole vector of them; what lies behind is 0. */
INLINED vector load_lanes(const float *from, int64_t lanes) {
  if (lanes >= VECTOR) return *(const vector *)from;
  vector v = {0};
  memcpy(&v, from, sizeof(float) * (size_t)lanes);
  return v;
}

/* Into a line that ends with its last number. */
INLINED void store_lanes(float *to, vector v, int64_t lanes) {
  if (lanes >= VECTOR) *(vector *)to = v;
  else memcpy(to, &v, sizeof(float) * (size_t)lanes);
}

INLINED vector choose(bits condition, vector yes, vector no) {
  return (vector)(((bits)yes & condition) | ((bits)no & ~condition));
}

/* What is not above 0 becomes 0; NaN stays. */
INLINED vector rectified(vector v) { return (vector)((bits)v & ~(bits)(v <= 0)); }

/* Below this exp is 0 here. */
static const float EXPONENT_END = -87;

/* exp(x) for x <= 0 as scale + scaled: the power of two beside what exp(r) - 1 is with it. */
typedef struct {
  vector scale, scaled;
} exponential;

INLINED exponential exponential_of(vector x) {
  /* Added and subtracted it rounds to whole numbers, which are then the low bits. */
  const float whole = 0x1.8p23f;
  const bits is_over = x < EXPONENT_END;
  x = choose(is_over, (vector){0}, x);
  const vector shifted = x * 1.44269504f + whole, n = shifted - whole;
  const vector r = (x - n * 0.693145752f) - n * 1.42860677e-6f;
  vector p = r * (1.0f / 5040) + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = (p * r) * r + r;
  vector scale = (vector)(((bits)shifted + 127) << 23);
  scale = (vector)((bits)scale & ~is_over);
  return (exponential){scale, p * scale};
}

/* Of x <= 0. */
INLINED vector exp_of(vector x) {
  const exponential e = exponential_of(x);
  return e.scaled + e.scale;
}

INLINED vector absolute_of(vector x) { return (vector)((bits)x & INT32_MAX); }

/* Neither form overflows on its side of zero. */
INLINED vector sigmoid_of(vector x) {
  const vector small = exp_of(-absolute_of(x)), one = (vector){0} + 1;
  return choose(x < 0, small, one) / (1 + small);
}

/* (1 - exp(-2|x|)) / (1 + exp(-2|x|)) with the sign of x; near 0 the digits of exp(x) - 1 are all there. */
INLINED vector tanh_of(vector x) {
  const exponential e = exponential_of(-2 * absolute_of(x));
  const vector less = e.scaled + (e.scale - 1), size = less / (-2 - less);
  return (vector)(((bits)size & INT32_MAX) | ((bits)x & INT32_MIN));
}

/* exp(x) - 1 for x <= 0; of what is above, that of 0. */
INLINED vector expm1_of(vector x) {
  const exponential e = exponential_of(choose(x > 0, (vector){0}, x));
  return e.scaled + (e.scale - 1);
}

/* The distribution of a normal variable, and its density. Of -|x| the distribution is exp(-x^2 / 2) times a smooth function
 * of x, so that its digits are all there far below 0 too (coefficients: Tests/Kernels/normal_share.py). */
typedef struct {
  vector share, density;
} normal;

INLINED normal normal_of(vector x) {
  const vector bell = exp_of(x * x * -0.5f), t = 1 / (1 + 0.35f * absolute_of(x));
  vector p = t * -0.0291461346f + 0.143972683f;
  p = p * t - 0.255716269f;
  p = p * t + 0.159176433f;
  p = p * t - 0.0231113763f;
  p = p * t + 0.105508645f;
  p = p * t + 0.119832708f;
  p = p * t + 0.139861891f;
  p = p * t + 0.139621403f;
  const vector below = bell * (p * t);
  return (normal){choose(x < 0, below, 1 - below), bell * 0.398942280f};
}

INLINED vector gelu_of(vector x) { return x * normal_of(x).share; }

INLINED vector gelu_slope_of(vector x) {
  const normal n = normal_of(x);
  return n.share + x * n.density;
}

/* (1 + tanh(u)) / 2 is the sigmoid of 2u. */
INLINED vector gelu_tanh_share_of(vector x) { return sigmoid_of(1.5957691216057308f * (x + 0.044715f * x * x * x)); }

INLINED vector gelu_tanh_slope_of(vector x) {
  const vector s = gelu_tanh_share_of(x);
  return s + x * s * (1 - s) * (1.5957691216057308f * (1 + 0.134145f * x * x));
}

INLINED vector swish_slope_of(vector x) {
  const vector s = sigmoid_of(x);
  return s * (1 + x * (1 - s));
}
