/* Normalization by statistics of each sample's groups, and its gradient (Sources/Programs/Operations/Normalize.swift).
 *
 * Goals, in order: a variance that a large mean does not spoil; every shape at vector speed; operands that are in cache
 * when they are read again.
 *
 * Algorithm: two passes, corrected. The first takes the mean, which Float32 rounds; the second sums up what is left,
 * d = x - mean, and its squares. So the variance is mean(d^2) - mean(d)^2, where mean(d) is a rounding (Chan, Golub and
 * LeVeque, The American Statistician 37, 1983, equation 1.7), and x - mean - mean(d) has the digits of x. A third pass
 * writes. Sums run in LANES float lanes, or channel by channel, and over blocks in doubles.
 * Layout: [samples, positions, groups, width]. A group's line of `width` numbers is walked as it lies where it fills
 * lanes or is alone; else positions are rows of all channels, and neighbours are added up at the end.
 * Bound: that of the sums. Limited by the cache that holds a sample. */

/* Numbers that are added up in float. */
enum { NORMALIZE_BLOCK = 1024, NORMALIZE_ROWS = 32 };

/* Whether the groups' lines are walked one by one. */
static int walks_lines(const sb_normalization *n) { return n->width >= LANES || n->positions == 1; }

/* Adds the sums of the first and of the second power of x - shift. */
static void shifted_sums(int64_t count, const float *x, float shift, double *sum, double *squares) {
  for (int64_t first = 0; first < count; first += NORMALIZE_BLOCK) {
    int64_t end = count - first < NORMALIZE_BLOCK ? count : first + NORMALIZE_BLOCK;
    float sums[LANES] = {0}, more[LANES] = {0}, total = 0, square = 0;
    int64_t e = first;
    for (; e + LANES <= end; e += LANES)
      for (int i = 0; i < LANES; i++) {
        float d = x[e + i] - shift;
        sums[i] += d;
        more[i] += d * d;
      }
    for (int i = 0; e < end; e++, i++) {
      float d = x[e] - shift;
      sums[i] += d;
      more[i] += d * d;
    }
    for (int i = 0; i < LANES; i++) total += sums[i], square += more[i];
    *sum += total;
    *squares += square;
  }
}

/* Adds the sums of y and of x * y. */
static void sums_of_products(int64_t count, const float *x, const float *y, double *sum, double *products) {
  for (int64_t first = 0; first < count; first += NORMALIZE_BLOCK) {
    int64_t end = count - first < NORMALIZE_BLOCK ? count : first + NORMALIZE_BLOCK;
    float sums[LANES] = {0}, more[LANES] = {0}, total = 0, product = 0;
    int64_t e = first;
    for (; e + LANES <= end; e += LANES)
      for (int i = 0; i < LANES; i++) {
        sums[i] += y[e + i];
        more[i] += x[e + i] * y[e + i];
      }
    for (int i = 0; e < end; e++, i++) {
      sums[i] += y[e];
      more[i] += x[e] * y[e];
    }
    for (int i = 0; i < LANES; i++) total += sums[i], product += more[i];
    *sum += total;
    *products += product;
  }
}

/* 1/sigma from the means of d and of its squares. Rounding may leave less than nothing; a NaN stays. */
static float inverse_deviation(const sb_normalization *n, double mean, double squares) {
  double variance = squares - mean * mean;
  if (variance < 0) variance = 0;
  return (float)(1 / sqrt(variance + n->epsilon));
}

static void normalize_lines(const sb_normalization *n, const float *x, float *y, float *inverse) {
  int64_t channels = n->groups * n->width;
  double count = (double)(n->positions * n->width);
  for (int64_t g = 0; g < n->groups; g++, x += n->width, y += n->width) {
    double sum = 0, squares = 0;
    for (int64_t p = 0; n->centered && p < n->positions; p++)
      shifted_sums(n->width, x + p * channels, 0, &sum, &squares);
    float mean = (float)(sum / count);
    sum = squares = 0;
    for (int64_t p = 0; p < n->positions; p++) shifted_sums(n->width, x + p * channels, mean, &sum, &squares);
    double left = n->centered ? sum / count : 0;
    float rest = (float)left, factor = inverse_deviation(n, left, squares / count);
    if (inverse) inverse[g] = factor;
    for (int64_t p = 0; p < n->positions; p++) {
      const float *from = x + p * channels;
      float *to = y + p * channels;
      for (int64_t e = 0; e < n->width; e++) to[e] = (from[e] - mean - rest) * factor;
    }
  }
}

static void normalize_lines_backward(
  const sb_normalization *n, const float *y, const float *inverse, const float *dy, float *dx) {
  int64_t channels = n->groups * n->width;
  double count = (double)(n->positions * n->width);
  for (int64_t g = 0; g < n->groups; g++, y += n->width, dy += n->width, dx += n->width) {
    double sum = 0, products = 0;
    for (int64_t p = 0; p < n->positions; p++)
      sums_of_products(n->width, y + p * channels, dy + p * channels, &sum, &products);
    float mean = n->centered ? (float)(sum / count) : 0, slope = (float)(products / count), factor = inverse[g];
    for (int64_t p = 0; p < n->positions; p++)
      for (int64_t e = p * channels; e < p * channels + n->width; e++)
        dx[e] = factor * (dy[e] - mean - y[e] * slope);
  }
}

/* Adds up what each channel has to a mean for each group, which all its channels then have. */
static void means_of_groups(const sb_normalization *n, float *sums) {
  double count = (double)(n->positions * n->width);
  for (int64_t g = 0; g < n->groups; g++, sums += n->width) {
    double sum = 0;
    for (int64_t c = 0; c < n->width; c++) sum += sums[c];
    float mean = (float)(sum / count);
    for (int64_t c = 0; c < n->width; c++) sums[c] = mean;
  }
}

/* By channel the sums of x - shift and of its squares; without `shift` of x. `part` holds two rows. */
static void channel_sums(
  const sb_normalization *n, const float *x, const float *shift, float *sums, float *squares, float *part) {
  int64_t channels = n->groups * n->width;
  float *more = part + channels;
  memset(sums, 0, (size_t)channels * sizeof *sums);
  memset(squares, 0, (size_t)channels * sizeof *squares);
  for (int64_t first = 0; first < n->positions; first += NORMALIZE_ROWS) {
    int64_t end = n->positions - first < NORMALIZE_ROWS ? n->positions : first + NORMALIZE_ROWS;
    memset(part, 0, 2 * (size_t)channels * sizeof *part);
    for (int64_t p = first; p < end; p++) {
      const float *row = x + p * channels;
      for (int64_t c = 0; c < channels; c++) {
        float d = row[c] - (shift ? shift[c] : 0);
        part[c] += d;
        more[c] += d * d;
      }
    }
    for (int64_t c = 0; c < channels; c++) sums[c] += part[c], squares[c] += more[c];
  }
}

static void normalize_channels(
  const sb_normalization *n, const float *x, float *y, float *inverse, float *scratch) {
  int64_t channels = n->groups * n->width;
  float *mean = scratch, *rest = mean + channels, *factor = rest + channels, *part = factor + channels;
  double count = (double)(n->positions * n->width);
  if (n->centered) {
    channel_sums(n, x, NULL, mean, factor, part);
    means_of_groups(n, mean);
  } else {
    memset(mean, 0, (size_t)channels * sizeof *mean);
  }
  channel_sums(n, x, mean, rest, factor, part);
  for (int64_t g = 0; g < n->groups; g++) {
    double sum = 0, squares = 0;
    for (int64_t c = g * n->width; c < (g + 1) * n->width; c++) sum += rest[c], squares += factor[c];
    double left = n->centered ? sum / count : 0;
    float scale = inverse_deviation(n, left, squares / count);
    if (inverse) inverse[g] = scale;
    for (int64_t c = g * n->width; c < (g + 1) * n->width; c++) rest[c] = (float)left, factor[c] = scale;
  }
  for (int64_t p = 0; p < n->positions; p++)
    for (int64_t c = 0; c < channels; c++)
      y[p * channels + c] = (x[p * channels + c] - mean[c] - rest[c]) * factor[c];
}

static void normalize_channels_backward(
  const sb_normalization *n, const float *y, const float *inverse, const float *dy, float *dx, float *scratch) {
  int64_t channels = n->groups * n->width;
  float *mean = scratch, *slope = mean + channels, *factor = slope + channels, *part = factor + channels;
  float *more = part + channels;
  memset(mean, 0, 2 * (size_t)channels * sizeof *mean);
  for (int64_t first = 0; first < n->positions; first += NORMALIZE_ROWS) {
    int64_t end = n->positions - first < NORMALIZE_ROWS ? n->positions : first + NORMALIZE_ROWS;
    memset(part, 0, 2 * (size_t)channels * sizeof *part);
    for (int64_t e = first * channels; e < end * channels; e += channels)
      for (int64_t c = 0; c < channels; c++) {
        part[c] += dy[e + c];
        more[c] += y[e + c] * dy[e + c];
      }
    for (int64_t c = 0; c < channels; c++) mean[c] += part[c], slope[c] += more[c];
  }
  means_of_groups(n, slope);
  if (n->centered) means_of_groups(n, mean);
  else memset(mean, 0, (size_t)channels * sizeof *mean);
  for (int64_t c = 0; c < channels; c++) factor[c] = inverse[c / n->width];
  for (int64_t e = 0; e < n->positions * channels; e += channels)
    for (int64_t c = 0; c < channels; c++)
      dx[e + c] = factor[c] * (dy[e + c] - mean[c] - y[e + c] * slope[c]);
}

/* Five rows of channels, where rows are walked. */
static int64_t normalize_scratch_bytes(const sb_normalization *n) {
  return walks_lines(n) ? 0 : 5 * n->groups * n->width * (int64_t)sizeof(float);
}

static void normalize(
  const sb_normalization *n, int64_t samples, const float *x, float *y, float *inverse, void *scratch) {
  int64_t size = n->positions * n->groups * n->width;
  for (int64_t s = 0; s < samples; s++) {
    float *own = inverse ? inverse + s * n->groups : NULL;
    if (walks_lines(n)) normalize_lines(n, x + s * size, y + s * size, own);
    else normalize_channels(n, x + s * size, y + s * size, own, scratch);
  }
}

static void normalize_backward(
  const sb_normalization *n, int64_t samples, const float *y, const float *inverse, const float *dy, float *dx,
  void *scratch) {
  int64_t size = n->positions * n->groups * n->width;
  for (int64_t s = 0; s < samples; s++) {
    const float *own = inverse + s * n->groups;
    if (walks_lines(n)) normalize_lines_backward(n, y + s * size, own, dy + s * size, dx + s * size);
    else normalize_channels_backward(n, y + s * size, own, dy + s * size, dx + s * size, scratch);
  }
}
