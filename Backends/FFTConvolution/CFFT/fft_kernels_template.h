/* Written once; each including file compiles it for one instruction set: TABLE is its table's name, WIDTH the floats
 * of a vector (8 or 16). */

typedef float vector __attribute__((vector_size(WIDTH * 4), aligned(4)));

#if WIDTH == 16
#define SWAP(v) __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23)
#define HIGH(a, b) __builtin_shufflevector(a, b, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31)
#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29)
#define ODD(a, b) __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31)
#define REAL(v) __builtin_shufflevector(v, v, 0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14)
#define BACKWARDS(v) __builtin_shufflevector(v, v, 14, 15, 12, 13, 10, 11, 8, 9, 6, 7, 4, 5, 2, 3, 0, 1)
#define IMAGINARY(v) __builtin_shufflevector(v, v, 1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11, 13, 13, 15, 15)
static const vector plus_minus = {1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1};
static const vector minus_plus = {-1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1};
#else
#define SWAP(v) __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6)
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 1, 8, 9, 2, 3, 10, 11)
#define HIGH(a, b) __builtin_shufflevector(a, b, 4, 5, 12, 13, 6, 7, 14, 15)
#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13)
#define ODD(a, b) __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15)
#define REAL(v) __builtin_shufflevector(v, v, 0, 0, 2, 2, 4, 4, 6, 6)
#define BACKWARDS(v) __builtin_shufflevector(v, v, 6, 7, 4, 5, 2, 3, 0, 1)
#define IMAGINARY(v) __builtin_shufflevector(v, v, 1, 1, 3, 3, 5, 5, 7, 7)
static const vector plus_minus = {1, -1, 1, -1, 1, -1, 1, -1};
static const vector minus_plus = {-1, 1, -1, 1, -1, 1, -1, 1};
#endif

/* Of a loop over channels, which are few: otherwise only hundreds of bytes would be worth a vector. Sanitizers may keep
 * it from being vectorised, which is no fault. */
#pragma clang diagnostic ignored "-Wpass-failed"
#define FEW _Pragma("clang loop vectorize_width(16) interleave_count(1)")

#define load(p) (*(const vector *)(p))
#define store(p, v) (*(vector *)(p) = (v))

static inline int place(const sb_fft_window *window, int index, int length) {
  int position = (window->position + index * window->position_step) % length;
  return position < 0 ? position + length : position;
}

static inline int next(const sb_fft_window *window, int position, int length) {
  position += window->position_step;
  return position < 0 ? position + length : position >= length ? position - length : position;
}

static void multiply(int64_t count, int conjugates, int adds, const float *x, const float *w, float *y);

/* data *= w, or conj(w). */
static inline void turn(int64_t count, const float *w, int conjugates, float *data) {
  float real = w[0], imaginary = conjugates ? -w[1] : w[1];
  vector signed_imaginary = minus_plus * imaginary;
  int64_t i = 0;
  for (; i + WIDTH <= 2 * count; i += WIDTH) {
    vector v = load(data + i);
    store(data + i, v * real + SWAP(v) * signed_imaginary);
  }
  for (; i < 2 * count; i += 2) {
    float r = data[i], m = data[i + 1];
    data[i] = r * real - m * imaginary;
    data[i + 1] = m * real + r * imaginary;
  }
}

static void turn_all(const sb_fft_axis *axis, int64_t width, int64_t stride, int conjugates, float *data) {
  for (int k = 1; k < axis->first; k++) {
    float *part = data + 2 * k * (axis->second * stride + axis->pad);
    for (int j = 1; j < axis->second; j++)
      turn(width, axis->twiddles + 2 * (k * axis->second + j), conjugates, part + 2 * stride * j);
  }
}

/* `width` complex numbers lie at each of the axis's positions, `stride` apart. */
static void transform(const sb_fft_block *b, const sb_fft_axis *axis, int64_t width, int64_t stride, float *data) {
  b->execute(axis->first_forward, data);
  if (axis->second == 1) return;
  if (stride == 1)
    multiply(axis->length, 0, 0, axis->twiddles, data, data);
  else
    turn_all(axis, width, stride, 0, data);
  if (!axis->inner) {
    b->execute(axis->second_forward, data);
    return;
  }
  for (int k = 0; k < axis->first; k++)
    transform(b, axis->inner, width, stride, data + 2 * k * (axis->second * stride + axis->pad));
}

static void transform_back(const sb_fft_block *b, const sb_fft_axis *axis, int64_t width, int64_t stride, float *data) {
  if (axis->second > 1) {
    if (!axis->inner) b->execute(axis->second_inverse, data);
    for (int k = 0; axis->inner && k < axis->first; k++)
      transform_back(b, axis->inner, width, stride, data + 2 * k * (axis->second * stride + axis->pad));
    if (stride == 1)
      multiply(axis->length, 1, 0, axis->twiddles, data, data);
    else
      turn_all(axis, width, stride, 1, data);
  }
  b->execute(axis->first_inverse, data);
}

/* Zeros at the columns of a row that a window of step 1 leaves free. */
static void clear_rest(const sb_fft_block *b, const sb_fft_window *window, float *row) {
  int length = b->horizontal.length, first = place(window, window->count, length);
  for (int count = length - window->count; count > 0; first = 0) {
    int run = count < length - first ? count : length - first;
    const int32_t *offset = b->offset + first;
    memset(row + offset[0], 0, (offset[run - 1] - offset[0] + 2 * (size_t)b->pairs) * sizeof(float));
    count -= run;
  }
}

static void forward(
  const sb_fft_block *b, const sb_fft_window *vertical, const sb_fft_window *horizontal, const float *tensor,
  int channels, float *scratch) {
  int rows = b->vertical.length, columns = b->horizontal.length;
  size_t stride = 2 * (size_t)b->row_stride, pixel = 2 * (size_t)b->pairs;
  /* What the window fills needs no zeros before. */
  int is_dense = vertical->position_step == 1 && horizontal->position_step == 1 && channels == (int)pixel;
  for (int i = is_dense ? vertical->count : 0; i < rows; i++)
    memset(scratch + (is_dense ? place(vertical, i, rows) : i) * stride, 0, stride * sizeof(float));
  /* A window whose pixels lie side by side on both sides is one copy. */
  int is_line = horizontal->position_step == 1 && horizontal->source_step == channels && channels == (int)pixel &&
                b->horizontal.pad == 0 && horizontal->position >= 0 && horizontal->position + horizontal->count <= columns;
  for (int i = 0; i < vertical->count; i++) {
    float *row = scratch + place(vertical, i, rows) * stride;
    const float *source = tensor + vertical->source + i * vertical->source_step + horizontal->source;
    if (is_dense) clear_rest(b, horizontal, row);
    if (is_line) {
      memcpy(row + horizontal->position * pixel, source, horizontal->count * pixel * sizeof(float));
    } else {
      int position = place(horizontal, 0, columns);
      for (int j = 0; j < horizontal->count; j++, position = next(horizontal, position, columns)) {
        float *to = row + b->offset[position];
        const float *from = source + j * horizontal->source_step;
        for (int c = 0; c < channels; c++) to[c] = from[c];
      }
    }
    transform(b, &b->horizontal, b->pairs, b->pairs, row);
  }
  if (rows > 1) transform(b, &b->vertical, (int64_t)columns * b->pairs, b->row_stride, scratch);
}

static void inverse(
  const sb_fft_block *b, const sb_fft_window *vertical, const sb_fft_window *horizontal, float scale, int adds,
  float *scratch, int channels, float *tensor) {
  int rows = b->vertical.length, columns = b->horizontal.length;
  size_t stride = 2 * (size_t)b->row_stride;
  if (rows > 1) transform_back(b, &b->vertical, (int64_t)columns * b->pairs, b->row_stride, scratch);
  for (int i = 0; i < vertical->count; i++) {
    float *row = scratch + place(vertical, i, rows) * stride;
    transform_back(b, &b->horizontal, b->pairs, b->pairs, row);
    float *target = tensor + vertical->source + i * vertical->source_step + horizontal->source;
    int position = place(horizontal, 0, columns);
    for (int j = 0; j < horizontal->count; j++, position = next(horizontal, position, columns)) {
      const float *from = row + b->offset[position];
      float *to = target + j * horizontal->source_step;
      /* 0 is added so that nothing is −0. */
      if (adds)
        for (int c = 0; c < channels; c++) to[c] += scale * from[c];
      else
        for (int c = 0; c < channels; c++) to[c] = scale * from[c] + 0.0f;
    }
  }
}

/* Whether the columns half[x] … are a vector of neighbours whose conjugates are neighbours too, backwards: the case of
 * long transforms of one pair of channels. */
static inline int are_neighbours(const sb_fft_block *b, int x) {
  int last = x + WIDTH / 2 - 1;
  if (b->pairs != 1 || last >= b->half_count) return 0;
  int p = b->half[x];
  return b->half[last] == p + WIDTH / 2 - 1 &&
         b->horizontal.negative[b->half[last]] == b->horizontal.negative[p] - (WIDTH / 2 - 1);
}

static void separate(const sb_fft_block *b, const float *scratch, int channels, float *spectrum, int64_t stride) {
  size_t row = 2 * (size_t)b->row_stride;
  for (int y = 0; y < b->vertical.length; y++) {
    const float *here = scratch + y * row, *there = scratch + b->vertical.negative[y] * row;
    for (int x = 0; x < b->half_count; x++) {
      int column = b->half[x];
      const float *p = here + b->offset[column], *q = there + b->offset[b->horizontal.negative[column]];
      float *to = spectrum + 2 * stride * ((int64_t)y * b->half_count + x);
      if (stride == 2 && channels == 2 && are_neighbours(b, x)) {
        vector a = load(p), d = load(q - WIDTH + 2), c = BACKWARDS(d) * plus_minus;
        vector e = a + c, o = SWAP(a - c) * plus_minus;
        store(to, LOW(e, o));
        store(to + WIDTH, HIGH(e, o));
        x += WIDTH / 2 - 1;
        continue;
      }
      int j = 0;
      for (; 2 * j + WIDTH <= channels; j += WIDTH / 2) {
        vector a = load(p + 2 * j), c = load(q + 2 * j) * plus_minus;
        vector e = a + c, o = SWAP(a - c) * plus_minus;
        store(to + 4 * j, LOW(e, o));
        store(to + 4 * j + WIDTH, HIGH(e, o));
      }
      for (; 2 * j < channels; j++) {
        float ar = p[2 * j], ai = p[2 * j + 1], br = q[2 * j], bi = q[2 * j + 1];
        to[4 * j] = ar + br;
        to[4 * j + 1] = ai - bi;
        if (2 * j + 1 == channels) break;
        to[4 * j + 2] = ai + bi;
        to[4 * j + 3] = br - ar;
      }
    }
  }
}

static void combine(const sb_fft_block *b, const float *spectrum, int64_t stride, int channels, float *scratch) {
  size_t row = 2 * (size_t)b->row_stride;
  for (int y = 0; y < b->vertical.length; y++) {
    float *here = scratch + y * row, *there = scratch + b->vertical.negative[y] * row;
    for (int x = 0; x < b->half_count; x++) {
      int column = b->half[x];
      float *p = here + b->offset[column], *q = there + b->offset[b->horizontal.negative[column]];
      const float *from = spectrum + 2 * stride * ((int64_t)y * b->half_count + x);
      if (stride == 2 && channels == 2 && are_neighbours(b, x)) {
        vector s = load(from), t = load(from + WIDTH);
        vector e = EVEN(s, t), o = SWAP(ODD(s, t)) * minus_plus, r = (e - o) * plus_minus;
        store(q - WIDTH + 2, BACKWARDS(r));
        store(p, e + o);
        x += WIDTH / 2 - 1;
        continue;
      }
      int j = 0;
      for (; 2 * j + WIDTH <= channels; j += WIDTH / 2) {
        vector s = load(from + 4 * j), t = load(from + 4 * j + WIDTH);
        vector e = EVEN(s, t), o = SWAP(ODD(s, t)) * minus_plus;
        store(q + 2 * j, (e - o) * plus_minus);
        store(p + 2 * j, e + o);
      }
      for (; j < b->pairs; j++) {
        float er = 0, ei = 0, or = 0, oi = 0;
        if (2 * j < channels) er = from[4 * j], ei = from[4 * j + 1];
        if (2 * j + 1 < channels) or = from[4 * j + 2], oi = from[4 * j + 3];
        q[2 * j] = er + oi;
        q[2 * j + 1] = or - ei;
        p[2 * j] = er - oi;
        p[2 * j + 1] = ei + or;
      }
    }
  }
}

/* Whether the last of the neighbours from x on is its own negative, while rows have negatives of their own: taken
 * together with the others it would be filtered in both rows of a pair, which is twice. */
static inline int ends_in_its_own(const sb_fft_block *b, int x) {
  int last = b->half[x + WIDTH / 2 - 1];
  return b->vertical.length > 1 && b->horizontal.negative[last] == last;
}

/* a·b or conj(a)·b, by the sign. A macro, since vectors of the baseline are no arguments of functions. */
#define PRODUCT(a, b, sign) (REAL(a) * (b) + IMAGINARY(a) * (SWAP(b) * (sign)))

static void filter(const sb_fft_block *b, int conjugates, const float *w, float *scratch) {
  size_t row = 2 * (size_t)b->row_stride, pixel = 2 * (size_t)b->pairs;
  vector sign = conjugates ? plus_minus : minus_plus;
  float s = conjugates ? -1 : 1;
  for (int y = 0; y < b->vertical.length; y++) {
    float *here = scratch + y * row, *there = scratch + b->vertical.negative[y] * row;
    for (int x = 0; x < b->half_count; x++) {
      int column = b->half[x], negative = b->horizontal.negative[column];
      /* A column that is its own negative has each pair of rows once. */
      if (negative == column && b->vertical.negative[y] < y) continue;
      float *p = here + b->offset[column], *q = there + b->offset[negative];
      const float *from = w + 2 * pixel * ((int64_t)y * b->half_count + x);
      if (are_neighbours(b, x) && !ends_in_its_own(b, x)) {
        vector a = load(p), d = load(q - WIDTH + 2), c = BACKWARDS(d) * plus_minus;
        vector e = a + c, o = SWAP(a - c) * plus_minus;
        vector u = load(from), v = load(from + WIDTH), l = LOW(e, o), h = HIGH(e, o);
        vector f = PRODUCT(u, l, sign), g = PRODUCT(v, h, sign);
        e = EVEN(f, g), o = SWAP(ODD(f, g)) * minus_plus;
        vector r = (e - o) * plus_minus;
        store(q - WIDTH + 2, BACKWARDS(r));
        store(p, e + o);
        x += WIDTH / 2 - 1;
        continue;
      }
      int j = 0;
      for (; j + WIDTH / 2 <= b->pairs; j += WIDTH / 2) {
        vector a = load(p + 2 * j), c = load(q + 2 * j) * plus_minus;
        vector e = a + c, o = SWAP(a - c) * plus_minus;
        vector u = load(from + 4 * j), v = load(from + 4 * j + WIDTH), l = LOW(e, o), h = HIGH(e, o);
        vector f = PRODUCT(u, l, sign), g = PRODUCT(v, h, sign);
        e = EVEN(f, g), o = SWAP(ODD(f, g)) * minus_plus;
        store(q + 2 * j, (e - o) * plus_minus);
        store(p + 2 * j, e + o);
      }
      for (; j < b->pairs; j++) {
        float ar = p[2 * j], ai = p[2 * j + 1], br = q[2 * j], bi = q[2 * j + 1];
        float e = ar + br, ei = ai - bi, o = ai + bi, oi = br - ar;
        float wr = from[4 * j], wi = s * from[4 * j + 1], vr = from[4 * j + 2], vi = s * from[4 * j + 3];
        float fr = e * wr - ei * wi, fi = e * wi + ei * wr, gr = o * vr - oi * vi, gi = o * vi + oi * vr;
        q[2 * j] = fr + gi;
        q[2 * j + 1] = gr - fi;
        p[2 * j] = fr - gi;
        p[2 * j + 1] = fi + gr;
      }
    }
  }
}

#define EACH(result) \
  for (; 2 * i + WIDTH <= 2 * count; i += WIDTH / 2) { \
    vector a = load(x + 2 * i), b = load(w + 2 * i); \
    vector c = PRODUCT(a, b, sign); \
    store(y + 2 * i, result); \
  }

static void multiply(int64_t count, int conjugates, int adds, const float *x, const float *w, float *y) {
  int64_t i = 0;
  vector sign = conjugates ? plus_minus : minus_plus;
  if (adds) {
    EACH(load(y + 2 * i) + c)
  } else {
    EACH(c)
  }
  float s = conjugates ? -1 : 1;
  for (; i < count; i++) {
    float xr = x[2 * i], xi = s * x[2 * i + 1], wr = w[2 * i], wi = w[2 * i + 1];
    float real = xr * wr - xi * wi, imaginary = xr * wi + xi * wr;
    y[2 * i] = adds ? y[2 * i] + real : real;
    y[2 * i + 1] = adds ? y[2 * i + 1] + imaginary : imaginary;
  }
}
#undef EACH

/* Eight pairs are a cache line: what is read of a pixel is used at once. */
static void pack(const sb_fft_window *window, const float *tensor, int channels, float *lines) {
  size_t length = SB_FFT_LINE(window->count);
  for (int j = 0; j < window->count; j++) {
    const float *from = tensor + window->source + j * window->source_step;
    for (int c = 0; c < channels; c++) lines[c / 2 * length + 2 * j + c % 2] = from[c];
  }
}

static void unpack(const sb_fft_window *window, const float *lines, int channels, float *tensor) {
  size_t length = SB_FFT_LINE(window->count);
  for (int j = 0; j < window->count; j++) {
    float *to = tensor + window->source + j * window->source_step;
    for (int c = 0; c < channels; c++) to[c] = lines[c / 2 * length + 2 * j + c % 2];
  }
}

/* Mostly the first element tells. */
static inline int is_occupied(const float *element, int channels) {
  if (element[0] != 0) return 1;
  int any = 0;
  for (int c = 1; c < channels; c++) any |= element[c] != 0;
  return any;
}

/* Marks of a row's groups, pixels `step` bytes apart; how many are set. */
static int64_t mark(
  const float *restrict row, int64_t columns, int64_t column_step, int64_t groups, int channels,
  uint8_t *restrict marks, int64_t step) {
  /* Pixels side by side are one with more channels. */
  if (channels == 1 && column_step == groups && step == groups) groups *= columns, columns = columns > 0;
  int64_t count = 0;
  for (int64_t j = 0; j < columns; j++, row += column_step, marks += step) {
    int set = 0;
    if (channels == 1)
      for (int64_t g = 0; g < groups; g++) set += marks[g] = row[g] != 0;
    else
      for (int64_t g = 0; g < groups; g++) set += marks[g] = is_occupied(row + g * channels, channels);
    count += set;
  }
  return count;
}

typedef uint8_t bytes __attribute__((vector_size(WIDTH * 4), aligned(1)));

/* marks[e] |= marks[e + step] | … | marks[e + (taps − 1)·step], as far as there are any: twice as many taps a pass.
 * Ascending, so that what is read is not written yet. */
static void spread(uint8_t *marks, int64_t count, int64_t taps, int64_t step) {
  for (int64_t have = 1, more; have < taps; have += more) {
    more = have < taps - have ? have : taps - have;
    int64_t ahead = more * step, e = 0;
    if (ahead >= count) break;
    for (; e + ahead + (int64_t)sizeof(bytes) <= count; e += sizeof(bytes))
      *(bytes *)(marks + e) |= *(const bytes *)(marks + e + ahead);
    for (; e + ahead < count; e++) marks[e] |= marks[e + ahead];
  }
}

/* A product with zero, so that what is no number stays none; and 0 added, so that it is not −0. */
static inline float zeroed(float value) { return value * 0.0f + 0.0f; }

static void clear(
  const sb_fft_zeros *z, const float *operand, int groups, float *restrict result, int skipped, int channels,
  uint8_t *restrict memory) {
  const sb_fft_reach *v = &z->vertical, *h = &z->horizontal;
  int64_t line_bytes = h->length * groups, row_bytes = h->results * groups;
  uint8_t *line = memory, *rows = memory + line_bytes;
  int is_full = v->meets_all && h->meets_all;
  memset(rows, 0, v->length * row_bytes);
  for (int64_t i = 0; i < v->given; i++) {
    uint8_t *row = rows + (v->place + i * v->place_step) * row_bytes;
    memset(line, 0, line_bytes);
    int64_t count = mark(
      operand + i * z->operand_row, h->given, z->operand_column, groups, z->operand_channels, line + h->place * groups,
      h->place_step * groups);
    is_full &= count == h->given * groups;
    if (count == 0) continue;
    if (count == h->given * groups && h->meets_all) {
      memset(row, 1, row_bytes);
      continue;
    }
    spread(line, line_bytes, h->taps, h->tap_step * groups);
    if (h->read_step == 1)
      memcpy(row, line + h->read * groups, row_bytes);
    else
      for (int64_t j = 0; j < h->results; j++)
        memcpy(row + j * groups, line + (h->read + j * h->read_step) * groups, groups);
  }
  if (is_full) return;
  spread(rows, v->length * row_bytes, v->taps, v->tap_step * row_bytes);
  for (int64_t i = 0; i < v->results; i++) {
    const uint8_t *marks = rows + (v->read + i * v->read_step) * row_bytes;
    if (!memchr(marks, 0, row_bytes)) continue;
    float *to = result + i * z->result_row;
    for (int64_t j = 0; j < h->results; j++, marks += groups, to += z->result_column) {
      if (groups == 1 ? *marks : memchr(marks, 0, groups) == NULL) continue;
      if (z->result_channels == 1) {
        FEW
        for (int c = 0; c < channels; c++) to[c] = marks[c] ? to[c] : zeroed(to[c]);
        continue;
      }
      for (int g = 0, c = 0; g < groups; g++) {
        int end = (g + 1) * z->result_channels - skipped;
        if (end > channels) end = channels;
        for (; c < end; c++)
          if (!marks[g]) to[c] = zeroed(to[c]);
      }
    }
  }
}

static void occupy(
  const float *const *images, int count, int64_t row, int columns, int64_t column_step, int channels,
  uint8_t *restrict marks, uint8_t *restrict any, int32_t *occupied) {
  memset(any, 0, channels);
  /* Pixels side by side are one with more channels. */
  int64_t width = column_step == channels ? (int64_t)columns * channels : channels;
  for (int64_t start = 0; start < (int64_t)columns * channels; start += width) {
    uint8_t *to = marks + start;
    memset(to, 0, width);
    for (int n = 0; n < count; n++) {
      const float *from = images[n] + row + start / channels * column_step;
      uint8_t bit = 1 << n;
      for (int64_t e = 0; e < width; e++) to[e] |= from[e] != 0 ? bit : 0;
    }
  }
  for (int64_t j = 0; j < columns; j++)
    FEW
    for (int c = 0; c < channels; c++) any[c] |= marks[j * channels + c];
  /* Mostly the first element of either end tells. */
  int64_t first = 0, end = (int64_t)columns * channels;
  while (first < end && !marks[first]) first++;
  while (end > first && !marks[end - 1]) end--;
  occupied[0] = first / channels;
  occupied[1] = (end + channels - 1) / channels;
}

/* The outputs of which a tap meets an element from `first`, below `end`; from and below which. */
static inline void meeting(const sb_fft_taps *axis, int64_t tap, int64_t first, int64_t end, int64_t outputs[2]) {
  int64_t start = tap * axis->dilation - axis->before, ahead = first - start, room = end - 1 - start;
  outputs[0] = ahead <= 0 ? 0 : (ahead + axis->stride - 1) / axis->stride;
  outputs[1] = room < 0 ? 0 : room / axis->stride + 1;
  if (outputs[1] > axis->outputs) outputs[1] = axis->outputs;
}

/* Of a pair that is not met, all bits. */
static inline uint8_t open_bits(uint8_t met) { return (uint8_t)((met != 0) - 1); }

/* Of those of `count` pairs that are not met, the images that both sides have. */
static inline uint8_t unmet(const uint8_t *met, const uint8_t *x, const uint8_t *y, int count) {
  uint8_t rest = 0;
  FEW
  for (int k = 0; k < count; k++) rest |= open_bits(met[k]) & x[k] & y[k];
  return rest;
}

static inline uint8_t unmet_by(const uint8_t *met, uint8_t x, const uint8_t *y, int count) {
  uint8_t rest = 0;
  FEW
  for (int k = 0; k < count; k++) rest |= open_bits(met[k]) & x & y[k];
  return rest;
}

/* One channel to one filter: all of them at once. */
static int meet_depthwise(
  const sb_fft_occupancy *o, int64_t i, int64_t j, const int64_t rows[2], const int64_t columns[2],
  uint8_t *restrict met) {
  const sb_fft_taps *v = &o->vertical, *h = &o->horizontal;
  const uint8_t *x_any = o->x_any, *y_any = o->y_any;
  int count = o->groups;
  int64_t steps = o->steps;
  for (int64_t p = rows[0]; p < rows[1]; p++) {
    int64_t row = p * v->stride + i * v->dilation - v->before;
    if (!unmet(met, o->x_rows + row * count, o->y_rows + p * count, count)) continue;
    for (int64_t q = columns[0]; q < columns[1]; q++) {
      const uint8_t *x = o->x + (row * h->size + q * h->stride + j * h->dilation - h->before) * count;
      const uint8_t *y = o->y + (p * h->outputs + q) * count;
      uint8_t rest = 0;
      FEW
      for (int c = 0; c < count; c++) {
        met[c] |= x[c] & y[c];
        rest |= open_bits(met[c]) & x_any[c] & y_any[c];
      }
      if (!rest) goto done;
      if ((steps -= count / 16 + 1) < 0) {
        for (int c = 0; c < count; c++) met[c] |= x_any[c] & y_any[c];
        goto done;
      }
    }
  }
done:
  return memchr(met, 0, count) ? SB_FFT_OPEN : SB_FFT_MET;
}

static int meet(const sb_fft_occupancy *o, int64_t i, int64_t j, uint8_t *restrict met) {
  const sb_fft_taps *v = &o->vertical, *h = &o->horizontal;
  int64_t rows[2], columns[2];
  meeting(v, i, 0, v->size, rows);
  meeting(h, j, 0, h->size, columns);
  if (rows[0] >= rows[1] || columns[0] >= columns[1]) return SB_FFT_PADDING;
  meeting(v, i, v->x[0], v->x[1], rows);
  meeting(h, j, h->x[0], h->x[1], columns);
  if (rows[0] < v->y[0]) rows[0] = v->y[0];
  if (rows[1] > v->y[1]) rows[1] = v->y[1];
  if (columns[0] < h->y[0]) columns[0] = h->y[0];
  if (columns[1] > h->y[1]) columns[1] = h->y[1];
  if (o->channels == 1 && o->filters == 1) return meet_depthwise(o, i, j, rows, columns, met);
  int channels = o->groups * o->channels, filters = o->groups * o->filters, count = o->filters;
  int result = SB_FFT_MET;
  int64_t steps = o->steps;
  for (int c = 0; c < channels; c++) {
    int first = c / o->channels * count;
    uint8_t *own = met + c % o->channels * (int64_t)filters + first;
    const uint8_t *y_any = o->y_any + first;
    uint8_t x_any = o->x_any[c];
    if (!memchr(own, 0, count)) continue;
    for (int64_t p = rows[0]; steps >= 0 && p < rows[1]; p++) {
      steps--;
      /* What is left is for other images. */
      if (!unmet_by(own, x_any, y_any, count)) break;
      int64_t row = p * v->stride + i * v->dilation - v->before;
      if (!unmet_by(own, o->x_rows[row * channels + c], o->y_rows + p * filters + first, count)) continue;
      for (int64_t q = columns[0]; steps >= 0 && q < columns[1]; q++) {
        steps--;
        uint8_t x = o->x[(row * h->size + q * h->stride + j * h->dilation - h->before) * channels + c];
        if (!x) continue;
        const uint8_t *y = o->y + (p * h->outputs + q) * filters + first;
        uint8_t rest = 0;
        FEW
        for (int k = 0; k < count; k++) {
          own[k] |= x & y[k];
          rest |= open_bits(own[k]) & x_any & y_any[k];
        }
        if (!rest) break;
      }
    }
    /* No longer asked: what these images may join counts as joined. */
    if (steps < 0)
      for (int k = 0; k < count; k++) own[k] |= x_any & y_any[k];
    if (memchr(own, 0, count)) result = SB_FFT_OPEN;
  }
  return result;
}

const sb_fft_kernels TABLE = {
  forward, inverse, separate, combine, multiply, filter, pack, unpack, clear, occupy, meet};
