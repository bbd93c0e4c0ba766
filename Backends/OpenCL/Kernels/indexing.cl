// Operations that look things up by whole numbers. `fault` holds for each of them the position of the first index
// outside its axis (the largest number: none): the smallest position wins, whoever comes first.

int index_at(__global const int *indices, int position, int bound, __global uint *fault) {
  int index = indices[position];
  if (index >= 0 && index < bound) return index;
  atomic_min(fault, (uint)position);
  return -1;
}

__kernel void one_hot(
  __global const int *restrict indices, __global float *restrict y, __global uint *fault, int classes, int count) {
  int e = get_global_id(0);
  if (e >= count) return;
  int index = index_at(indices, e / classes, classes, fault);
  y[e] = index == e % classes ? 1 : 0;
}

// T is what the mask is of: float, or the byte that a bool is.
__kernel void sequence_mask(
  __global const int *restrict lengths, __global T *restrict y, __global uint *fault, int steps, int count) {
  int e = get_global_id(0);
  if (e >= count) return;
  int length = index_at(lengths, e / steps, steps + 1, fault);
  y[e] = e % steps < length ? 1 : 0;
}

// T is an unsigned integer of the element's size. x [outer, length, inner], y [outer, indices, inner].
__kernel void gather(
  __global const T *restrict x, __global const int *restrict indices, __global T *restrict y, __global uint *fault,
  int length, int index_count, int inner, int count) {
  int e = get_global_id(0);
  if (e >= count) return;
  int position = e / inner % index_count;
  int index = index_at(indices, position, length, fault);
  if (index >= 0) y[e] = x[(e / inner / index_count * length + index) * inner + e % inner];
}

// One work-item an element of the result; it looks through all indices, in their order.
__kernel void scatter_add(
  __global const float *x, __global const int *restrict indices, __global const float *restrict updates,
  __global float *y, __global uint *fault, int length, int index_count, int inner, int count) {
  int e = get_global_id(0);
  if (e >= count) return;
  int outer = e / inner / length, slice = e / inner % length;
  float sum = x[e];
  for (int i = 0; i < index_count; i++)
    if (index_at(indices, i, length, fault) == slice) sum += updates[(outer * index_count + i) * inner + e % inner];
  y[e] = sum;
}

// The index of the largest element of a line; ties to the lowest; the first NaN wins.
__kernel void argmax(__global const float *restrict x, __global int *restrict y, int length, int inner, int lines) {
  int line = get_global_id(0);
  if (line >= lines) return;
  int start = line / inner * length * inner + line % inner, best = 0;
  for (int a = 1; a < length; a++) {
    float value = x[start + a * inner], largest = x[start + best * inner];
    if (!(value <= largest) && !isnan(largest)) best = a;
  }
  y[line] = best;
}
