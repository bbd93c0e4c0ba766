/* The gradient of the image of a convolution behind relu and max pooling, window by window of the pooling: for kernels
 * whose gradient fits the registers.
 *
 * Algorithm: of a window's cells only the winners of some filters have a gradient. Those filters are the bits of a word
 * for each cell; for each bit the filter's number times its taps is added to the pixels that the cell sees. These sums
 * stay in registers, for a whole window (the pixels that any of its cells sees) or for one cell after the other, so each
 * pixel is read and written once for a window or cell and not once for each filter.
 * Layout: words [windows][cells][F / 64]; filters [C / VECTOR][F][Kh * Kw][VECTOR], the last block filled up with zeros;
 * the image [H, W, C], or framed with its padding and with channels rounded up to whole vectors.
 * Register tile: the pixels of a window (pool 2 x 2 and kernel 3 x 3: 16) or of a cell (9) x 1 vector of channels.
 * Bound: that of the sums of the definition: windows in order, of each the cells, of each the filters. The order of terms
 * depends on the images of a call alone.
 * Limited by loads, one for each fused multiplication, and by the words' ends, which no branch foresees (2026-11-30, one
 * core of Zen 4, 13 x 13 x 32 to 64 filters of 3 x 3 and pools of 2 x 2, two fifths of the windows shut: 7.3 us an image,
 * AVX2 9.5, where loads alone take 5; by places, as in convolution_sparse.h, it were 13.9). */

/* One cell's taps: rows, columns. */
#if VECTOR == 16 || defined(__aarch64__)
#define CELL_CASES(CASE) CASE(2, 2) CASE(3, 3) CASE(5, 5)
/* A window's cells and taps. */
#define PATCH_CASES(CASE) CASE(2, 2, 2, 2) CASE(2, 2, 3, 3) CASE(3, 3, 3, 3)
#else
#define CELL_CASES(CASE) CASE(2, 2) CASE(3, 3)
#define PATCH_CASES(CASE) CASE(2, 2, 2, 2)
#endif
enum { FILTERS_A_WORD = 64, MOST_SUMS = 25, SPARSE_EDGE = 3 };

typedef struct {
  /* Floats of a pixel and a row, and the padding's rows and columns before the image, of the target. */
  int64_t pixel, row, size;
  int32_t top, left;
  int64_t words, taps, block;
  int is_framed;
} image_sums;

static int sums_image(const sb_convolution *g) {
#define IS_CASE(height, width) if (g->kernel_height == height && g->kernel_width == width) return 1;
  CELL_CASES(IS_CASE)
#undef IS_CASE
  return 0;
}

static image_sums image_sums_of(const sb_convolution *g) {
  frame f = frame_of(g);
  image_sums s = {.pixel = packed_width(g->channels), .top = g->top, .left = g->left};
  s.row = f.width * s.pixel;
  s.size = f.height * s.row;
  s.words = (g->filters + FILTERS_A_WORD - 1) / FILTERS_A_WORD;
  s.taps = (int64_t)g->kernel_height * g->kernel_width;
  s.block = g->filters * s.taps * VECTOR;
  s.is_framed = is_framed(g, f) || s.pixel != g->channels;
  return s;
}

/* The filters of one block of channels. */
static void pack_taps(const sb_convolution *g, const image_sums *s, const float *w, int64_t block, float *packed) {
  int64_t c = block * VECTOR, lanes = g->channels - c < VECTOR ? g->channels - c : VECTOR;
  if (lanes < VECTOR) memset(packed, 0, sizeof(float) * (size_t)s->block);
  for (int64_t tap = 0; tap < s->taps; tap++)
    transpose_into(
      w + (tap * g->channels + c) * g->filters, g->filters, lanes, g->filters, packed + tap * VECTOR, s->taps * VECTOR);
}

/* The image in the middle of a frame whose rows and pixels are so far apart. */
static void copy_unframed(const sb_convolution *g, const float *framed, int64_t row, int64_t pixel, float *image) {
  const float *first = framed + g->top * row + g->left * pixel;
  for (int32_t h = 0; h < g->height; h++)
    for (int32_t v = 0; v < g->width; v++, image += g->channels)
      memcpy(image, first + h * row + v * pixel, sizeof(float) * (size_t)g->channels);
}

typedef uint8_t bytes_a_word __attribute__((vector_size(FILTERS_A_WORD), aligned(1), may_alias));
typedef bool bits_a_word __attribute__((ext_vector_type(FILTERS_A_WORD)));
typedef bool bits_a_vector __attribute__((ext_vector_type(VECTOR)));

/* Which of FILTERS_A_WORD gradients are not 0. */
INLINED uint64_t gradient_word(const float *dy) {
  uint64_t all = 0;
  UNROLLED(v, FILTERS_A_WORD / VECTOR) {
    bits_a_vector lanes = __builtin_convertvector(*(const vector *)(dy + v * VECTOR) != 0, bits_a_vector);
    uint64_t word = 0;
    memcpy(&word, &lanes, sizeof lanes);
    all |= word << v * VECTOR;
  }
  return all;
}

/* words[cell * step]: which of FILTERS_A_WORD filters have their winner there and a gradient that is not 0. */
INLINED void winner_words(const uint8_t *winners, const float *dy, int cells, uint64_t *words, int64_t step) {
  uint64_t has_gradient = gradient_word(dy);
  bytes_a_word all = *(const bytes_a_word *)winners;
  for (int cell = 0; cell < cells; cell++) {
    bits_a_word lanes = __builtin_convertvector(all == (uint8_t)cell, bits_a_word);
    uint64_t word;
    memcpy(&word, &lanes, sizeof word);
    words[cell * step] = word & has_gradient;
  }
}

/* The words of one image; a winner that is shut is no cell's. */
static void image_words(const sb_pooling *p, int64_t step, const uint8_t *winners, const float *dy, uint64_t *words) {
  int64_t windows = (int64_t)p->rows * p->columns, filters = p->channels;
  int cells = p->pool_height * p->pool_width;
  for (int64_t m = 0; m < windows; m++, winners += filters, dy += filters, words += cells * step)
    for (int64_t f = 0; f < filters; f += FILTERS_A_WORD) {
      if (f + FILTERS_A_WORD <= filters) {
        winner_words(winners + f, dy + f, cells, words + f / FILTERS_A_WORD, step);
        continue;
      }
      uint8_t rest[FILTERS_A_WORD] = {0};
      float gradients[FILTERS_A_WORD] = {0};
      memcpy(rest, winners + f, (size_t)(filters - f));
      memcpy(gradients, dy + f, sizeof(float) * (size_t)(filters - f));
      winner_words(rest, gradients, cells, words + f / FILTERS_A_WORD, step);
    }
}

/* sums[i, j] += the filters of the words times their numbers, rows of `sums` being `columns` apart. */
INLINED void add_filters_of_cell(
  const uint64_t *words, int64_t count, const float *dy, const float *w, vector *sums, const int columns,
  const int height, const int width) {
  for (int64_t i = 0; i < count; i++, dy += FILTERS_A_WORD, w += FILTERS_A_WORD * height * width * VECTOR)
    for (uint64_t word = words[i]; word; word &= word - 1) {
      int64_t f = __builtin_ctzll(word);
      float number = dy[f];
      const float *taps = w + f * (height * width * VECTOR);
      UNROLLED(r, height) UNROLLED(c, width)
        sums[r * columns + c] += number * *(const vector *)(taps + (r * width + c) * VECTOR);
    }
}

/* Where the words and numbers of cells lie: floats and words from a cell to the next and to the next row. */
typedef struct {
  int64_t word_row, word, number_row, number;
} cell_steps;

/* Some cells side by side, `down` x `across` of them, which see a patch of the image at dx. */
INLINED void add_patch(
  const image_sums *s, const cell_steps *steps, const uint64_t *words, const float *dy, const float *w, float *dx,
  int64_t row, const int down, const int across, const int height, const int width) {
  const int rows = down + height - 1, columns = across + width - 1;
  const int64_t pixel = s->pixel;
  vector sums[MOST_SUMS];
  UNROLLED(r, rows) UNROLLED(c, columns) sums[r * columns + c] = *(const vector *)(dx + r * row + c * pixel);
  UNROLLED(i, down) UNROLLED(j, across)
    add_filters_of_cell(
      words + i * steps->word_row + j * steps->word, s->words, dy + i * steps->number_row + j * steps->number, w,
      sums + i * columns + j, columns, height, width);
  UNROLLED(r, rows) UNROLLED(c, columns) *(vector *)(dx + r * row + c * pixel) = sums[r * columns + c];
}

static int has_bits(const uint64_t *words, int64_t count) {
  uint64_t all = 0;
  for (int64_t i = 0; i < count; i++) all |= words[i];
  return all != 0;
}

/* The cells of a rectangle: at once where registers hold the patch that they see, or one after the other. `is_dense`: whether
 * neighbouring cells see neighbouring pixels, and all of the rectangle are results. */
INLINED void add_cells(
  const sb_convolution *g, const image_sums *s, const cell_steps *steps, int64_t down, int64_t across, int is_dense,
  const uint64_t *words, const float *dy, const float *w, float *dx, int64_t place) {
  const int64_t row = g->dilation_y * s->row, below = g->stride_y * s->row, beside = g->stride_x * s->pixel;
#define PATCH(rows, columns, height, width) \
  if (is_dense && down == rows && across == columns && g->kernel_height == height && g->kernel_width == width) { \
    add_patch(s, steps, words, dy, w, dx + place, row, rows, columns, height, width); \
    return; \
  }
#define CELL(height, width) \
  if (g->kernel_height == height && g->kernel_width == width) \
    for (int64_t i = 0; i < down; i++) \
      for (int64_t j = 0; j < across; j++) { \
        const uint64_t *own = words + i * steps->word_row + j * steps->word; \
        const float *numbers = dy + i * steps->number_row + j * steps->number; \
        if (has_bits(own, s->words)) \
          add_patch(s, steps, own, numbers, w, dx + place + i * below + j * beside, row, 1, 1, height, width); \
      }
  PATCH_CASES(PATCH)
  CELL_CASES(CELL)
#undef PATCH
#undef CELL
}

static int sees_neighbours(const sb_convolution *g) {
  return g->stride_y == 1 && g->stride_x == 1 && g->dilation_y == 1;
}

/* Adds one image's gradient to dx, framed or not. A cell outside the results, in the pooling's padding, wins nothing. */
static void add_windows(
  const sb_convolution *g, const sb_pooling *p, const image_sums *s, const uint64_t *words, const float *dy,
  const float *packed, float *dx) {
  const cell_steps steps = {p->pool_width * s->words, s->words, 0, 0};
  for (int64_t c = 0; c < s->pixel; c += VECTOR, packed += s->block)
    for (int64_t m = 0; m < (int64_t)p->rows * p->columns; m++) {
      int64_t top = m / p->columns * p->stride_y - p->top, left = m % p->columns * p->stride_x - p->left;
      int is_whole = top >= 0 && left >= 0 && top + p->pool_height <= p->height && left + p->pool_width <= p->width;
      add_cells(
        g, s, &steps, p->pool_height, p->pool_width, is_whole && sees_neighbours(g),
        words + m * p->pool_height * steps.word_row, dy + m * g->filters, packed, dx,
        top * g->stride_y * s->row + left * g->stride_x * s->pixel + c);
    }
}
