/* The gradient of the image of a convolution from a gradient many of whose numbers are 0, as behind relu.
 *
 * Algorithm: each result is a cell of convolution_sparse_image.h whose word has the filters with a gradient that is not 0.
 * With a filter that is not finite all count, since a zero times an infinity is NaN.
 * Layout: images [N, H, W, C]; filters [C / VECTOR][F][Kh * Kw][VECTOR], behind each block whether it is finite.
 * Register tile: the pixels that 3 x 3 results see, or 2 x 2, or one x 1 vector of channels.
 * Bound: that of the sums of the definition, results in order by tiles. Bits depend on the operands alone, not on how a batch
 * is divided.
 * Limited by loads, one for each fused multiplication (2026-11-30, one core of Zen 4, 5 x 5 x 64 to 64 filters of 3 x 3,
 * half of the gradient 0: 4.0 us an image, AVX2 4.4, direct 6.1 and 6.8; with no zeros 11 and 8). */

static int64_t sparse_input_block(const sb_convolution *g) { return image_sums_of(g).block + VECTOR; }
static int64_t sparse_input_panels(const sb_convolution *g) { return packed_width(g->channels) / VECTOR; }
static int64_t sparse_input_packed(const sb_convolution *g) {
  return 4 * sparse_input_panels(g) * sparse_input_block(g);
}

static void sparse_input_pack(const sb_convolution *g, const float *w, float *packed, int64_t first, int64_t count) {
  image_sums s = image_sums_of(g);
  for (int64_t block = first; block < first + count; block++) {
    float *own = packed + block * sparse_input_block(g), sum = 0;
    pack_taps(g, &s, w, block, own);
    /* 0 for a finite number, and NaN otherwise. */
    for (int64_t e = 0; e < s.block; e++) sum += own[e] - own[e];
    for (int i = 0; i < VECTOR; i++) own[s.block + i] = sum;
  }
}

static int64_t sparse_input_scratch(const sb_convolution *g, int64_t images) {
  image_sums s = image_sums_of(g);
  return 8 * rounded((int64_t)g->rows * g->columns * s.words) + (s.is_framed ? 4 * rounded(s.size) : 0);
}

/* words[results][F / 64]. */
static void result_words(const sb_convolution *g, int64_t step, int is_finite, const float *dy, uint64_t *words) {
  for (int64_t r = 0; r < (int64_t)g->rows * g->columns; r++, dy += g->filters, words += step)
    for (int64_t f = 0; f < g->filters; f += FILTERS_A_WORD) {
      int64_t lanes = g->filters - f < FILTERS_A_WORD ? g->filters - f : FILTERS_A_WORD;
      float rest[FILTERS_A_WORD] = {0};
      if (lanes < FILTERS_A_WORD) memcpy(rest, dy + f, sizeof(float) * (size_t)lanes);
      words[f / FILTERS_A_WORD] = !is_finite ? ~0ull >> (FILTERS_A_WORD - lanes)
        : gradient_word(lanes < FILTERS_A_WORD ? rest : dy + f);
    }
}

static void sparse_input(
  const sb_convolution *g, int64_t images, const float *dy, const float *packed, float *dx, void *scratch,
  const sb_convolution_end *end) {
  image_sums s = image_sums_of(g);
  const cell_steps steps = {g->columns * s.words, s.words, (int64_t)g->columns * g->filters, g->filters};
  const int32_t edge = SPARSE_EDGE;
  int64_t size = (int64_t)g->rows * g->columns * g->filters, step = sparse_input_block(g);
  uint64_t *words = scratch;
  float *framed = (float *)(words + rounded((int64_t)g->rows * g->columns * s.words));
  int is_finite = 1;
  for (int64_t block = 0; block < sparse_input_panels(g); block++) is_finite &= packed[block * step + s.block] == 0;
  for (int64_t n = 0; n < images; n++, dy += size, dx += (int64_t)g->height * g->width * g->channels) {
    float *target = s.is_framed ? framed : dx;
    memset(target, 0, sizeof(float) * (size_t)s.size);
    result_words(g, s.words, is_finite, dy, words);
    for (int64_t block = 0; block < sparse_input_panels(g); block++)
      for (int32_t p = 0; p < g->rows; p += edge)
        for (int32_t q = 0; q < g->columns; q += edge) {
          int64_t down = g->rows - p < edge ? g->rows - p : edge, across = g->columns - q < edge ? g->columns - q : edge;
          add_cells(
            g, &s, &steps, down, across, sees_neighbours(g), words + p * steps.word_row + q * steps.word,
            dy + p * steps.number_row + q * steps.number, packed + block * step, target,
            p * g->stride_y * s.row + q * g->stride_x * s.pixel + block * VECTOR);
        }
    if (s.is_framed) copy_unframed(g, target, s.row, s.pixel, dx);
  }
}
