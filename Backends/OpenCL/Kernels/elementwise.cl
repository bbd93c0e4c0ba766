// Elementwise operations; one work-item an element, work-groups of 64. Broadcast operands are walked by strides
// (0 where they are stretched) over the merged axes of the result; RANK is how many there are.

#ifdef UNARY
__kernel void unary(__global const float *restrict x, __global float *restrict y, float alpha, int count) {
  int e = get_global_id(0);
  if (e < count) y[e] = FUNCTION(x[e], alpha);
}
#endif

#ifdef UNARY_BACKWARD
__kernel void unary_backward(
  __global const float *restrict v, __global const float *restrict dy, __global float *restrict dx, float alpha,
  int count) {
  int e = get_global_id(0);
  if (e < count) dx[e] = FUNCTION(v[e], dy[e], alpha);
}
#endif

#ifdef BINARY
// T is the operands' type, R the result's.
#define binary_add(a, b) ((a) + (b))
#define binary_subtract(a, b) ((a) - (b))
#define binary_multiply(a, b) ((a) * (b))
#define binary_divide(a, b) ((a) / (b))
#ifdef IS_FLOAT
// NaN wins, so that it is seen.
#define binary_maximum(a, b) ((a) >= (b) || isnan(a) ? (a) : (b))
#define binary_minimum(a, b) ((a) <= (b) || isnan(a) ? (a) : (b))
#else
#define binary_maximum(a, b) ((a) >= (b) ? (a) : (b))
#define binary_minimum(a, b) ((a) <= (b) ? (a) : (b))
#endif
#define binary_power(a, b) pow(a, b)
#define binary_equal(a, b) ((a) == (b))
#define binary_greater(a, b) ((a) > (b))
#define binary_greaterEqual(a, b) ((a) >= (b))
#define binary_less(a, b) ((a) < (b))

__kernel void binary(
  __global const T *a, __global const T *b, __global R *y, int8 extents, int8 a_strides, int8 b_strides, int count) {
  int e = get_global_id(0);
  if (e >= count) return;
#if RANK == 1
  T left = a[e * a_strides.s0], right = b[e * b_strides.s0];
#else
  T left = a[offset_of(e, extents, a_strides, RANK)], right = b[offset_of(e, extents, b_strides, RANK)];
#endif
  y[e] = FUNCTION(left, right);
}
#endif

#ifdef SELECT
// Choosing needs only the size of an element: T is an unsigned integer of that size.
__kernel void select_elements(
  __global const uchar *condition, __global const T *a, __global const T *b, __global T *y, int8 extents,
  int8 condition_strides, int8 a_strides, int8 b_strides, int count) {
  int e = get_global_id(0);
  if (e >= count) return;
  y[e] = condition[offset_of(e, extents, condition_strides, RANK)] ? a[offset_of(e, extents, a_strides, RANK)]
                                                                   : b[offset_of(e, extents, b_strides, RANK)];
}
#endif

#ifdef CAST
// FROM and TO are types; TO_BOOL: to 0 or 1; a float that does not fit goes to the nearest end, NaN to 0.
__kernel void cast(__global const FROM *restrict x, __global TO *restrict y, int count) {
  int e = get_global_id(0);
  if (e >= count) return;
#ifdef TO_BOOL
  y[e] = x[e] != 0;
#else
  y[e] = CONVERT(x[e]);
#endif
}
#endif

#ifdef FILL
__kernel void fill(__global T *y, T value, int count) {
  int e = get_global_id(0);
  if (e < count) y[e] = value;
}
#endif
