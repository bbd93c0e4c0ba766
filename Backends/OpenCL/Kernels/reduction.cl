// Folds a tensor over some of its axes in two steps: `fold` gives a number for each result and chunk of the folded
// elements, `finish` folds the chunks in their order. Chunks depend on shapes alone, and so do the bits.
//
// FOLD adds an element, MERGE another chunk's number.

float fold_sum(float sum, float x) { return sum + x; }
float fold_sumSquares(float sum, float x) { return fma(x, x, sum); }
// NaN wins, so that it is seen.
float fold_max(float best, float x) { return isnan(best) || x <= best ? best : x; }
float fold_min(float best, float x) { return isnan(best) || x >= best ? best : x; }

// Work-item (result, chunk). KEPT and FOLDED count the merged axes that stay and go.
__kernel void fold(
  __global const float *restrict x, __global float *restrict parts, float start, int8 kept_extents, int8 kept_strides,
  int8 folded_extents, int8 folded_strides, int kept_count, int folded_count, int chunk) {
  int result = get_global_id(0), part = get_global_id(1);
  if (result >= kept_count) return;
  __global const float *from = x + offset_of(result, kept_extents, kept_strides, KEPT);
  float sum = start;
  for (int e = part * chunk; e < min((part + 1) * chunk, folded_count); e++) {
#if FOLDED == 1
    sum = FOLD(sum, from[e * folded_strides.s0]);
#else
    sum = FOLD(sum, from[offset_of(e, folded_extents, folded_strides, FOLDED)]);
#endif
  }
  parts[part * kept_count + result] = sum;
}

__kernel void finish(
  __global const float *restrict parts, __global float *restrict y, float start, float scale, int kept_count,
  int part_count) {
  int result = get_global_id(0);
  if (result >= kept_count) return;
  float sum = start;
  for (int part = 0; part < part_count; part++)
    sum = MERGE(sum, parts[part * kept_count + result]);
  y[result] = sum * scale;
}
