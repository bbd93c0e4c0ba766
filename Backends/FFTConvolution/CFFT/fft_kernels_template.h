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
  b->execute(axis->second_forward, data);
}

static void transform_back(const sb_fft_block *b, const sb_fft_axis *axis, int64_t width, int64_t stride, float *data) {
  if (axis->second > 1) {
    b->execute(axis->second_inverse, data);
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
  const sb_fft_block *b, const sb_fft_window *vertical, const sb_fft_window *horizontal, sb_fft_zeros zeros,
  float scale, int adds, float *scratch, int channels, float *tensor) {
  int rows = b->vertical.length, columns = b->horizontal.length;
  size_t stride = 2 * (size_t)b->row_stride;
  if (rows > 1) transform_back(b, &b->vertical, (int64_t)columns * b->pairs, b->row_stride, scratch);
  for (int i = 0; i < vertical->count; i++) {
    float *row = scratch + place(vertical, i, rows) * stride;
    transform_back(b, &b->horizontal, b->pairs, b->pairs, row);
    float *target = tensor + vertical->source + i * vertical->source_step + horizontal->source;
    const uint8_t *marks =
      zeros.marks ? zeros.marks + (vertical->element + i * vertical->element_step) * zeros.row : NULL;
    int position = place(horizontal, 0, columns);
    for (int j = 0; j < horizontal->count; j++, position = next(horizontal, position, columns)) {
      const float *from = row + b->offset[position];
      float *to = target + j * horizontal->source_step;
      /* A product with zero, so that what is no number stays none; and 0 added, so that it is not −0. */
      float own = marks && !marks[horizontal->element + j * horizontal->element_step] ? 0 : scale;
      if (adds)
        for (int c = 0; c < channels; c++) to[c] += own * from[c];
      else
        for (int c = 0; c < channels; c++) to[c] = own * from[c] + 0.0f;
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

static inline int is_occupied(const float *element, int channels) {
  for (int c = 0; c < channels; c++)
    if (element[c] != 0) return 1;
  return 0;
}

static int64_t occupied(
  const float *tensor, int rows, int64_t row_step, int columns, int64_t column_step, int channels, uint8_t *marks) {
  int64_t count = 0;
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < columns; j++)
      count += marks[i * (int64_t)columns + j] = is_occupied(tensor + i * row_step + j * column_step, channels);
  return count;
}

const sb_fft_kernels TABLE = {forward, inverse, separate, combine, multiply, filter, pack, unpack, occupied};
