// What a tensor's elements look like: `gather_statistics` gives partial numbers a chunk, in float64, `finish_statistics`
// adds them in order. Parts: finite, sum, squares, low, high, zeros, nans, infinities, then BINS exponent counts.

#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#define FIELDS (8 + BINS)

__kernel void gather_statistics(__global const float *restrict x, __global double *restrict parts, int chunk, int count) {
  int first = get_global_id(0) * chunk;
  __global double *part = parts + get_global_id(0) * FIELDS;
  double finite = 0, sum = 0, squares = 0, zeros = 0, nans = 0, infinities = 0;
  float low = INFINITY, high = -INFINITY;
#if BINS
  for (int bin = 0; bin < BINS; bin++) part[8 + bin] = 0;
#endif
  for (int e = first; e < min(first + chunk, count); e++) {
    float value = x[e];
    if (isfinite(value)) {
      double wide = value;
      finite += 1;
      zeros += value == 0;
      sum += wide;
      squares += wide * wide;
      low = min(low, value);
      high = max(high, value);
#if BINS
      // ilogb gives ⌊log₂|x|⌋, of denormals too.
      if (value != 0) part[8 + clamp(ilogb(value) - FIRST_EXPONENT, 0, BINS - 1)] += 1;
#endif
    } else {
      nans += isnan(value) != 0;
      infinities += isinf(value) != 0;
    }
  }
  part[0] = finite;
  part[1] = sum;
  part[2] = squares;
  part[3] = low;
  part[4] = high;
  part[5] = zeros;
  part[6] = nans;
  part[7] = infinities;
}

__kernel void finish_statistics(__global const double *restrict parts, __global double *restrict y, int part_count,
  int count) {
  double finite = 0, sum = 0, squares = 0, low = INFINITY, high = -INFINITY, zeros = 0, nans = 0, infinities = 0;
  for (int p = 0; p < part_count; p++) {
    __global const double *part = parts + p * FIELDS;
    finite += part[0];
    sum += part[1];
    squares += part[2];
    low = min(low, part[3]);
    high = max(high, part[4]);
    zeros += part[5];
    nans += part[6];
    infinities += part[7];
  }
  double mean = finite == 0 ? 0 : sum / finite;
  if (finite == 0) low = high = 0;
  y[0] = count;
  y[1] = mean;
  // Sums in float64 of float32 elements: the difference keeps enough digits unless mean² exceeds the variance 10⁸ times.
  y[2] = max(squares - mean * sum, 0.0);
  y[3] = low;
  y[4] = high;
  y[5] = max(fabs(low), fabs(high));
  y[6] = sqrt(squares);
  y[7] = zeros;
  y[8] = nans;
  y[9] = infinities;
#if BINS
  for (int bin = 0; bin < BINS; bin++) {
    double total = 0;
    for (int p = 0; p < part_count; p++) total += parts[p * FIELDS + 8 + bin];
    y[10 + bin] = total;
  }
#endif
}
