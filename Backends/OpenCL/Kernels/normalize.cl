// Normalization by statistics of each sample's groups, and its gradient: one work-group a group of a sample, whose sums
// are folded in local memory. The operand is [samples, positions, groups, width]; a group is `positions` lines of `width`
// numbers that lie `channels` apart.
//
// The mean is taken, then what is left of it: Float32 rounds a mean by more than a small deviation, so the variance is
// mean(d²) − mean(d)² of d = x − mean, where mean(d) is a rounding (Chan, Golub and LeVeque, 1983, equation 1.7).
//
// ITEMS counts the work-items of a work-group, a power of two. A CPU has one, which takes VECTOR numbers of a line at a
// time.

#if VECTOR == 16
#define floatV float16
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#elif VECTOR == 4
#define floatV float4
#define LOAD(p) vload4(0, p)
#define STORE(v, p) vstore4(v, 0, p)
#else
#define floatV float
#define LOAD(p) (*(p))
#define STORE(v, p) (*(p) = (v))
#endif

float sum_of_lanes(floatV v) {
#if VECTOR == 16
  float8 eight = v.lo + v.hi;
  float4 four = eight.lo + eight.hi;
  return (four.x + four.y) + (four.z + four.w);
#elif VECTOR == 4
  return (v.x + v.y) + (v.z + v.w);
#else
  return v;
#endif
}

// The sum of what the work-items have, for each of them.
float sum_of_items(float mine, __local float *sums) {
#if ITEMS > 1
  int item = get_local_id(0);
  // The sum before has been read by all.
  barrier(CLK_LOCAL_MEM_FENCE);
  sums[item] = mine;
  for (int reach = ITEMS / 2; reach > 0; reach /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item < reach) sums[item] += sums[item + reach];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  return sums[0];
#else
  return mine;
#endif
}

// Element e of the group, from where it begins; WHOLE: the group is all of its sample.
#ifdef WHOLE
#define AT(e) (e)
#else
#define AT(e) ((e) / width * channels + (e) % width)
#endif
#define GROUP \
  int group = get_group_id(0), sample = group / groups; \
  int channels = groups * width, count = positions * width; \
  int first = sample * positions * channels + group % groups * width; \
  __local float sums[ITEMS];
#define EACH(e) for (int e = get_local_id(0) * VECTOR; e < count; e += ITEMS * VECTOR)

__kernel void normalize_groups(
  __global const float *restrict x, __global float *restrict y, __global float *restrict inverses, float epsilon,
  int positions, int groups, int width) {
  GROUP
  x += first;
  y += first;
  float mean = 0;
#ifdef CENTERED
  floatV total = 0;
  EACH(e) total += LOAD(x + AT(e));
  mean = sum_of_items(sum_of_lanes(total), sums) / count;
#endif
  floatV left = 0, squares = 0;
  EACH(e) {
    floatV d = LOAD(x + AT(e)) - mean;
    left += d;
    squares = fma(d, d, squares);
  }
  float variance = sum_of_items(sum_of_lanes(squares), sums) / count, rest = 0;
#ifdef CENTERED
  rest = sum_of_items(sum_of_lanes(left), sums) / count;
  variance -= rest * rest;
  // Rounding may leave less than nothing; a NaN stays.
  if (variance < 0) variance = 0;
#endif
  float inverse = 1 / sqrt(variance + epsilon);
#ifdef INVERSE
  if (get_local_id(0) == 0) inverses[group] = inverse;
#endif
  EACH(e) {
    int at = AT(e);
    STORE((LOAD(x + at) - mean - rest) * inverse, y + at);
  }
}

__kernel void normalize_groups_backward(
  __global const float *restrict y, __global const float *restrict inverses, __global const float *restrict dy,
  __global float *restrict dx, int positions, int groups, int width) {
  GROUP
  y += first;
  dy += first;
  dx += first;
  floatV total = 0, products = 0;
  EACH(e) {
    int at = AT(e);
    floatV d = LOAD(dy + at);
    total += d;
    products = fma(LOAD(y + at), d, products);
  }
  float slope = sum_of_items(sum_of_lanes(products), sums) / count, mean = 0;
#ifdef CENTERED
  mean = sum_of_items(sum_of_lanes(total), sums) / count;
#endif
  EACH(e) {
    int at = AT(e);
    STORE(inverses[group] * ((LOAD(dy + at) - mean) - LOAD(y + at) * slope), dx + at);
  }
}
