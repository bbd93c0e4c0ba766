// Folds a tensor over some of its axes in two steps: `fold` gives a number for each result and chunk of the folded
// elements, `finish` folds the chunks in their order. Chunks depend on shapes alone, and so do the bits.
//
// FOLD adds an element, MERGE another chunk's number.

#define fold_sum(sum, x) ((sum) + (x))
#define fold_sumSquares(sum, x) fma(x, x, sum)
// NaN wins, so that it is seen.
float fold_max(float best, float x) { return isnan(best) || x <= best ? best : x; }
float fold_min(float best, float x) { return isnan(best) || x >= best ? best : x; }

// Work-item (result, chunk); with VECTOR above 1 it has as many neighbouring results, which lie side by side. KEPT and
// FOLDED count the merged axes that stay and go.
#if VECTOR == 16
#define floatV float16
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#else
#define floatV float
#define LOAD(p) (*(p))
#define STORE(v, p) (*(p) = (v))
#endif

__kernel void fold(
  __global const float *restrict x, __global float *restrict parts, float start, int8 kept_extents, int8 kept_strides,
  int8 folded_extents, int8 folded_strides, int kept_count, int folded_count, int chunk) {
  int result = get_global_id(0) * VECTOR, part = get_global_id(1);
  if (result >= kept_count) return;
  __global const float *from = x + offset_of(result, kept_extents, kept_strides, KEPT);
  floatV sum = start;
  for (int e = part * chunk; e < min((part + 1) * chunk, folded_count); e++) {
#if FOLDED == 1
    sum = FOLD(sum, LOAD(from + e * folded_strides.s0));
#else
    sum = FOLD(sum, LOAD(from + offset_of(e, folded_extents, folded_strides, FOLDED)));
#endif
  }
  STORE(sum, parts + part * kept_count + result);
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
