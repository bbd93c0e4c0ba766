// Moves elements between two strided walks of one box: transpose, broadcast, slice and its gradient, concatenate,
// pad, reverse (which walks backwards). T is an unsigned integer of the element's size; RANK counts the merged axes.
// One work-item an element.

__kernel void move_elements(
  __global const T *x, __global T *y, int8 extents, int8 x_strides, int8 y_strides, int x_start, int y_start,
  int count) {
  int e = get_global_id(0);
  if (e >= count) return;
#if RANK == 1
  y[y_start + e * y_strides.s0] = x[x_start + e * x_strides.s0];
#else
  y[y_start + offset_of(e, extents, y_strides, RANK)] = x[x_start + offset_of(e, extents, x_strides, RANK)];
#endif
}
