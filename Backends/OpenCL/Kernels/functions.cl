// Functions of one element and what all kernels share; stands before every other source.
//
// forward_NAME(x, alpha) is the function, slope_NAME(v, alpha) its derivative in terms of the result or the operand,
// as UnaryFunction.gradientOperand says; the gradient is dy times that (backward_slope, with -DSLOPE=slope_exp), or what
// backward_NAME(v, dy, alpha) says. A source is given one of them by its whole name (-DFUNCTION=forward_exp), since
// names such as exp may be macros themselves. The host looks here which there are: each begins its line.

#define SELU_SCALE 1.0507009873554804934f
#define SELU_ALPHA 1.6732632423543772848f

// Neither form overflows on its side of zero.
float sigmoid_of(float x) {
  float e = exp(-fabs(x));
  return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

float gelu_inner(float x) { return 0.7978845608028654f * (x + 0.044715f * x * x * x); }

float forward_identity(float x, float a) { return x; }
float forward_negate(float x, float a) { return -x; }
float forward_absolute(float x, float a) { return fabs(x); }
float forward_exp(float x, float a) { return exp(x); }
float forward_log(float x, float a) { return log(x); }
float forward_sqrt(float x, float a) { return sqrt(x); }
float forward_rsqrt(float x, float a) { return 1 / sqrt(x); }
float forward_square(float x, float a) { return x * x; }
float forward_reciprocal(float x, float a) { return 1 / x; }
float forward_sign(float x, float a) { return x > 0 ? 1 : x < 0 ? -1 : x; }
float forward_floor(float x, float a) { return floor(x); }
// A comparison that is false for NaN must not turn it into 0.
float forward_relu(float x, float a) { return x <= 0 ? 0 : x; }
float forward_leakyRelu(float x, float a) { return x > 0 ? x : a * x; }
float forward_elu(float x, float a) { return x > 0 ? x : a * expm1(x); }
float forward_selu(float x, float a) { return SELU_SCALE * (x > 0 ? x : SELU_ALPHA * expm1(x)); }
float forward_gelu(float x, float a) { return x / 2 * (1 + erf(x * 0.70710678118654752f)); }
// x/2·(1 + tanh z) as x·sigmoid(2z): a tanh that stops one unit short of −1 would leave x times that unit.
float forward_geluTanh(float x, float a) { return x * sigmoid_of(2 * gelu_inner(x)); }
float forward_swish(float x, float a) { return x * sigmoid_of(x); }
float forward_sigmoid(float x, float a) { return sigmoid_of(x); }
float forward_hardSigmoid(float x, float a) {
  float line = x / 6 + 0.5f;
  return line < 0 ? 0 : line > 1 ? 1 : line;
}
float forward_tanh(float x, float a) { return tanh(x); }
float forward_softplus(float x, float a) { return (x > 0 ? x : isnan(x) ? x : 0) + log1p(exp(-fabs(x))); }
float forward_isFinite(float x, float a) { return isfinite(x) ? 1 : 0; }

float slope_identity(float v, float a) { return 1; }
float slope_negate(float v, float a) { return -1; }
// Neither side of a kink takes a NaN: it is handed on.
float slope_absolute(float v, float a) { return v > 0 ? 1 : v < 0 ? -1 : v; }
float slope_exp(float v, float a) { return v; }
float slope_log(float v, float a) { return 1 / v; }
float slope_sqrt(float v, float a) { return 1 / (2 * v); }
float slope_rsqrt(float v, float a) { return v * v * v / -2; }
float slope_square(float v, float a) { return 2 * v; }
float slope_reciprocal(float v, float a) { return -v * v; }
float slope_leakyRelu(float v, float a) { return v > 0 ? 1 : v <= 0 ? a : v; }
float slope_elu(float v, float a) { return v > 0 ? 1 : v + a; }
float slope_selu(float v, float a) { return v > 0 ? SELU_SCALE : v + SELU_SCALE * SELU_ALPHA; }
float slope_gelu(float v, float a) {
  return (1 + erf(v * 0.70710678118654752f)) / 2 + v * exp(-v * v / 2) * 0.3989422804014327f;
}
float slope_geluTanh(float v, float a) {
  float s = sigmoid_of(2 * gelu_inner(v));
  return s + 2 * v * s * (1 - s) * 0.7978845608028654f * (1 + 3 * 0.044715f * v * v);
}
float slope_swish(float v, float a) {
  float s = sigmoid_of(v);
  return s * (1 + v * (1 - s));
}
float slope_sigmoid(float v, float a) { return v * (1 - v); }
float slope_hardSigmoid(float v, float a) { return v <= -3 || v >= 3 ? 0 : isnan(v) ? v : 1 / 6.0f; }
float slope_tanh(float v, float a) { return 1 - v * v; }
float slope_softplus(float v, float a) { return -expm1(-v); }

// A gate that is shut lets nothing through, not even an infinity times zero.
float backward_relu(float v, float dy, float a) { return v > 0 ? dy : v <= 0 ? 0 : v; }
#ifdef SLOPE
float backward_slope(float v, float dy, float a) { return dy * SLOPE(v, a); }
#endif

// Where element `index` of a box (row-major extents) lies in a tensor walked with these strides.
int offset_of(int index, int8 extents, int8 strides, int rank) {
  int e[8], s[8];
  vstore8(extents, 0, e);
  vstore8(strides, 0, s);
  int offset = 0;
  for (int axis = rank - 1; axis >= 0; axis--) {
    offset += index % e[axis] * s[axis];
    index /= e[axis];
  }
  return offset;
}
