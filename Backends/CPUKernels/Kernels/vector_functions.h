/* The sigmoid and the hyperbolic tangent of a vector, both of exp(x) - 1.
 *
 * Goals, in order: right to a few units in the last place, also near 0 and far from it; NaN stays NaN; no call of the C
 * library, which takes one number at a time.
 *
 * Algorithm: x = n ln 2 + r with |r| <= ln 2 / 2, where ln 2 is a sum of two numbers so that n times the first is exact
 * (Cody and Waite, "Software Manual for the Elementary Functions", 1980, chapter 6); the Taylor polynomial of exp(r) - 1 of
 * degree 7, whose rest is 2e-8 of it; then 2^n by the bits of an exponent.
 * Bound: 2 units in the last place of either function; below -87, where exp(x) is hardly a normal number any
 * more, it is taken for 0. Limited by multiplications. */

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
  x = (vector)(((bits)x & ~is_over) | ((bits)(vector){0} & is_over));
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

INLINED vector absolute_of(vector x) { return (vector)((bits)x & INT32_MAX); }

/* Neither form overflows on its side of zero. */
INLINED vector sigmoid_of(vector x) {
  const exponential e = exponential_of(-absolute_of(x));
  const vector small = e.scaled + e.scale, one = (vector){0} + 1;
  const bits is_below = x < 0;
  const vector above = (vector)(((bits)small & is_below) | ((bits)one & ~is_below));
  return above / (1 + small);
}

/* (1 - exp(-2|x|)) / (1 + exp(-2|x|)) with the sign of x; near 0 the digits of exp(x) - 1 are all there. */
INLINED vector tanh_of(vector x) {
  const exponential e = exponential_of(-2 * absolute_of(x));
  const vector less = e.scaled + (e.scale - 1), size = less / (-2 - less);
  return (vector)(((bits)size & INT32_MAX) | ((bits)x & INT32_MIN));
}
