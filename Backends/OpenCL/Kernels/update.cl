// Optimizer updates in place, with Keras 3's formulas (Programs/Operations/OptimizerUpdate.swift has the laws and
// their sources). Decoupled decay first. Nothing changes where `allow` is 0. `delta` is new − old, where WITH_DELTA.

#define BEGIN \
  int e = get_global_id(0); \
  if (e >= count) return; \
  if (!allow[0]) { \
    SET_DELTA(0) \
    return; \
  } \
  float old = w[e], g = gradient[e], lr = rate[0];
#ifdef WITH_DELTA
#define SET_DELTA(value) delta[e] = value;
#else
#define SET_DELTA(value)
#endif
#define END(step) \
  float new = old - lr * decay * old + (step); \
  w[e] = new; \
  SET_DELTA(new - old)

#define OPERANDS __global float *w, __global const float *restrict gradient, __global const float *rate, \
  __global const uchar *allow, __global float *restrict delta

__kernel void sgd(OPERANDS, float decay, int count) {
  BEGIN
  END(-lr * g)
}

__kernel void sgd_momentum(OPERANDS, __global float *m, float momentum, int is_nesterov, float decay, int count) {
  BEGIN
  float next = momentum * m[e] - lr * g;
  m[e] = next;
  END(is_nesterov ? momentum * next - lr * g : next)
}

// CENTERED has a running mean of g, MOMENTUM a running step; both buffers are given always.
__kernel void rmsprop(
  OPERANDS, __global float *v, __global float *average, __global float *m, float rho, float share, float epsilon,
  float momentum, float decay, int count) {
  BEGIN
  float next = rho * v[e] + share * g * g, variance = next;
  v[e] = next;
#ifdef CENTERED
  float mean = rho * average[e] + share * g;
  average[e] = mean;
  variance -= mean * mean;
  variance = variance < 0 ? 0 : variance;
#endif
  float increment = lr * g / sqrt(variance + epsilon);
#ifdef MOMENTUM
  increment = momentum * m[e] + increment;
  m[e] = increment;
#endif
  END(-increment)
}

__kernel void adagrad(OPERANDS, __global float *a, float epsilon, float decay, int count) {
  BEGIN
  float next = a[e] + g * g;
  a[e] = next;
  END(-lr * g / sqrt(next + epsilon))
}

__kernel void adam(
  OPERANDS, __global float *m, __global float *v, __global const float *correction, float share1, float share2,
  float epsilon, float decay, int count) {
  BEGIN
  float mean = m[e] + (g - m[e]) * share1, square = v[e] + (g * g - v[e]) * share2;
  m[e] = mean;
  v[e] = square;
  END(-lr * correction[0] * mean / (sqrt(square) + epsilon))
}

// Whether all elements are finite: `flag` starts as 1, `finish_flag` makes a bool of it.
__kernel void all_finite(__global const float *restrict x, __global int *flag, int chunk, int count) {
  int first = get_global_id(0) * chunk;
  int is_finite = 1;
  for (int e = first; e < min(first + chunk, count); e++) is_finite &= isfinite(x[e]) != 0;
  if (!is_finite) atomic_and(flag, 0);
}

__kernel void start_flag(__global int *flag) { flag[0] = 1; }

__kernel void finish_flag(__global const int *flag, __global uchar *y) { y[0] = flag[0]; }
