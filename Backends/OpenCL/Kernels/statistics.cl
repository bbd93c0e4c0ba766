// What a tensor's elements look like: `gather_statistics` gives partial numbers a chunk, in float64, `finish_statistics`
// adds them in order. Parts: finite, sum, squares, low, high, zeros, nans, infinities, then BINS exponent counts.

#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#define FIELDS (8 + BINS)

// Eight elements at a time; lanes beyond the last element hold NaN and are taken off again.
__kernel void gather_statistics(__global const float *restrict x, __global double *restrict parts, int chunk, int count) {
  int first = get_global_id(0) * chunk, end = min(first + chunk, count);
  __global double *part = parts + get_global_id(0) * FIELDS;
  double8 sum = 0, squares = 0;
  float8 low = INFINITY, high = -INFINITY;
  int8 finite = 0, zeros = 0, nans = 0;
#if BINS
  for (int bin = 0; bin < BINS; bin++) part[8 + bin] = 0;
#endif
  for (int e = first; e < end; e += 8) {
    float8 value;
    if (e + 8 <= end) {
      value = vload8(0, x + e);
    } else {
      float lanes[8];
      for (int lane = 0; lane < 8; lane++) lanes[lane] = e + lane < end ? x[e + lane] : NAN;
      value = vload8(0, lanes);
    }
    // A true comparison of vectors is −1.
    int8 is_finite = isfinite(value);
    finite -= is_finite;
    zeros -= value == 0;
    nans -= isnan(value);
    double8 wide = convert_double8(select((float8)0, value, is_finite));
    sum += wide;
    squares = fma(wide, wide, squares);
    low = min(low, select((float8)INFINITY, value, is_finite));
    high = max(high, select((float8)-INFINITY, value, is_finite));
#if BINS
    for (int lane = 0; lane < min(8, end - e); lane++) {
      float one = x[e + lane];
      // ilogb gives ⌊log₂|x|⌋, of denormals too.
      if (isfinite(one) && one != 0) part[8 + clamp(ilogb(one) - FIRST_EXPONENT, 0, BINS - 1)] += 1;
    }
#endif
  }
  double sums[8], more[8];
  float lows[8], highs[8];
  int counts[8], none[8], lost[8];
  vstore8(sum, 0, sums);
  vstore8(squares, 0, more);
  vstore8(low, 0, lows);
  vstore8(high, 0, highs);
  vstore8(finite, 0, counts);
  vstore8(zeros, 0, none);
  vstore8(nans, 0, lost);
  for (int lane = 1; lane < 8; lane++) {
    sums[0] += sums[lane];
    more[0] += more[lane];
    lows[0] = min(lows[0], lows[lane]);
    highs[0] = max(highs[0], highs[lane]);
    counts[0] += counts[lane];
    none[0] += none[lane];
    lost[0] += lost[lane];
  }
  int padding = (8 - (end - first) % 8) % 8;
  part[0] = counts[0];
  part[1] = sums[0];
  part[2] = more[0];
  part[3] = lows[0];
  part[4] = highs[0];
  part[5] = none[0];
  part[6] = lost[0] - padding;
  part[7] = end - first - counts[0] - (lost[0] - padding);
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
