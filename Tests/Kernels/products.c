/* Products of blocks of wider matrices: sums by the definition, nothing beside them touched, ends with the bits of
 * passes. */
#include "check.h"

/* Rows, columns, terms: whole tiles and rests; more than 512 terms are sums of sums. */
static const int sizes[][3] = {
  {1, 1, 1}, {2, 3, 4}, {4, 10, 64}, {10, 16, 8}, {13, 17, 31}, {61, 33, 40}, {11, 32, 513}, {7, 64, 1100}, {45, 40, 9},
  {41, 130, 20}, {3, 5, 0}, {0, 4, 3}, {4, 21, 33}, {8, 9, 33}, {16, 64, 40}, {32, 50, 600},
};

typedef struct {
  sb_product p;
  float *a, *b, *start, *bias;
  int64_t count;
} example;

/* The last row ends where its elements do, not a stride later. */
static int64_t lying(int64_t rows, int64_t columns, int64_t stride) {
  return rows > 0 && columns > 0 ? (rows - 1) * stride + columns : 0;
}

static example example_of(const int size[3], int form) {
  int m = size[0], n = size[1], k = size[2], is_a_turned = form & 1, is_b_turned = form >> 1 & 1;
  example e = {.p = {
    .m = m, .n = n, .k = k,
    .a_stride = (is_a_turned ? m : k) + 3, .b_stride = (is_b_turned ? k : n) + 5, .c_stride = n + 7,
    .transpose_a = is_a_turned, .transpose_b = is_b_turned, .adds = form >> 2 & 1}};
  e.count = lying(m, n, e.p.c_stride);
  e.a = uniform(is_a_turned ? lying(k, m, e.p.a_stride) : lying(m, k, e.p.a_stride), -1, 1);
  e.b = uniform(is_b_turned ? lying(n, k, e.p.b_stride) : lying(k, n, e.p.b_stride), -1, 1);
  e.start = uniform(e.count, -1, 1), e.bias = uniform(n, -1, 1);
  return e;
}

static float *run(const sb_kernels *k, const example *e, const float *bias, int relu, const float *gate) {
  const sb_product_end end = {bias, relu, gate};
  float *c = copied(e->start, e->count);
  k->product(&e->p, e->a, e->b, c, bias || relu || gate ? &end : NULL);
  return c;
}

static void check_sums(const sb_kernels *k, const example *e) {
  const sb_product *p = &e->p;
  const float *found = run(k, e, NULL, 0, NULL);
  int are_near = 1, is_left = 1;
  for (int64_t at = 0; at < e->count; at++) {
    int64_t row = at / p->c_stride, column = at % p->c_stride;
    if (column >= p->n) {
      is_left &= found[at] == e->start[at];
      continue;
    }
    double exact = p->adds ? e->start[at] : 0, magnitude = fabs(exact);
    for (int64_t t = 0; t < p->k; t++) {
      double term = (double)e->a[p->transpose_a ? t * p->a_stride + row : row * p->a_stride + t] *
        e->b[p->transpose_b ? column * p->b_stride + t : t * p->b_stride + column];
      exact += term, magnitude += fabs(term);
    }
    are_near &= fabs(found[at] - exact) <= (double)(p->k + 1) * 0x1p-24 * magnitude;
  }
  expect(are_near, "sums");
  expect(is_left, "written beside the result");
}

static void check_ends(const sb_kernels *k, example *e) {
  const sb_product *p = &e->p;
  if (e->count == 0 || p->k == 0) return;
  /* Of the first row every result is NaN, of the last infinite or NaN. */
  e->a[p->transpose_a ? p->m - 1 : p->a_stride * (p->m - 1)] = INFINITY, e->a[0] = NAN;
  float *gate = uniform(e->count, -2, 2);
  for (int64_t at = 0; at < e->count; at++) gate[at] = rintf(gate[at]);
  gate[p->n / 2] = NAN;
  const float *sums = run(k, e, NULL, 0, NULL);
  float *ended = copied(e->start, e->count), *gated = copied(e->start, e->count), *added = copied(e->start, e->count);
  for (int64_t row = 0; row < p->m; row++) {
    int64_t at = row * p->c_stride;
    k->binary_row(SB_ADD, 1, p->n, sums + at, e->bias, added + at);
    k->unary(SB_RELU, 0, p->n, added + at, ended + at);
    k->unary_backward(SB_RELU, 0, p->n, gate + at, sums + at, gated + at);
  }
  expect_same("a bias", e->count, run(k, e, e->bias, 0, NULL), added);
  expect_same("a bias and relu", e->count, run(k, e, e->bias, 1, NULL), ended);
  expect_same("gates", e->count, run(k, e, NULL, 0, gate), gated);
}

void test_products(const sb_kernels *k) {
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int form = 0; form < 8; form++) {
      example e = example_of(sizes[i], form);
      about(
        "%s, product: %d×%d by %d terms, transposed %d %d, adds %d", k->name, sizes[i][0], sizes[i][1], sizes[i][2],
        e.p.transpose_a, e.p.transpose_b, e.p.adds);
      check_sums(k, &e);
      check_ends(k, &e);
      release();
    }
}
