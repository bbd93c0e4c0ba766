#include "check.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_WATCHED 1
#endif
#endif

typedef struct {
  uint8_t *start, *end;
  void *base;
  size_t mapped;
} block;

enum { MOST_BLOCKS = 4096, UNTOUCHED = 0xFF };
static block blocks[MOST_BLOCKS];
static int block_count;

int64_t checks, failures;
int is_planted;
static char subject[400];

void *bytes(int64_t count, int alignment) {
  block b = {0};
  if (block_count == MOST_BLOCKS) abort();
#ifdef IS_WATCHED
  if (posix_memalign(&b.base, alignment < 8 ? 8 : (size_t)alignment, (size_t)count)) abort();
  b.start = b.base, b.end = b.start + count;
#else
  size_t whole = ((size_t)count + (size_t)alignment - 1) / (size_t)alignment * (size_t)alignment;
  size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (whole + page - 1) / page * page;
  b.mapped = used + page;
  b.base = mmap(NULL, b.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (b.base == MAP_FAILED || mprotect((uint8_t *)b.base + used, page, PROT_NONE)) abort();
  b.end = (uint8_t *)b.base + used, b.start = b.end - whole;
  memset(b.base, UNTOUCHED, used);
#endif
  memset(b.start, UNTOUCHED, (size_t)count);
  b.end = b.start + count;
  blocks[block_count++] = b;
  return b.start;
}

void release(void) {
  for (int i = 0; i < block_count; i++) {
    block *b = &blocks[i];
    if (!b->mapped) {
      free(b->base);
      continue;
    }
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int is_whole = 1;
    for (uint8_t *e = b->base; e < b->start; e++) is_whole &= *e == UNTOUCHED;
    for (uint8_t *e = b->end; e < (uint8_t *)b->base + b->mapped - page; e++) is_whole &= *e == UNTOUCHED;
    expect(is_whole, "something was written beside an operand");
    munmap(b->base, b->mapped);
  }
  block_count = 0;
}

static uint32_t state = 1;
uint32_t random_word(void) { return (state = state * 1664525u + 1013904223u) >> 8; }

float *uniform(int64_t count, float low, float high) {
  float *values = floats(count);
  for (int64_t e = 0; e < count; e++) values[e] = low + (high - low) * ((float)random_word() * 0x1p-24f);
  return values;
}

float *filled(int64_t count, float value) {
  float *values = floats(count);
  for (int64_t e = 0; e < count; e++) values[e] = value;
  return values;
}

float *copied(const float *values, int64_t count) { return memcpy(floats(count), values, 4 * (size_t)count); }

double *widened(const float *values, int64_t count) {
  double *wide = doubles(count);
  for (int64_t e = 0; e < count; e++) wide[e] = values[e];
  return wide;
}

#ifndef IS_WATCHED
static void died(int number) {
  /* Hardly anything else may be called here. */
  static const char words[] = "FAILED: memory beyond an operand was touched: ";
  if (!is_planted && write(1, words, sizeof words - 1) > 0 && write(1, subject, strlen(subject)) > 0) _exit(3);
  _exit(2);
}

__attribute__((constructor)) static void catch_faults(void) { signal(SIGSEGV, died), signal(SIGBUS, died); }
#endif

void about(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(subject, sizeof subject, format, arguments);
  va_end(arguments);
}

void expect(int holds, const char *what) {
  checks++;
  if (holds) return;
  if (is_planted) _exit(1);
  if (failures++ < 20) printf("FAILED: %s: %s\n", subject, what), fflush(stdout);
}

void expect_same(const char *what, int64_t count, const float *found, const float *expected) {
  int holds = 1;
  for (int64_t e = 0; e < count; e++)
    holds &= expected[e] != expected[e] ? found[e] != found[e] : memcmp(&found[e], &expected[e], 4) == 0;
  expect(holds, what);
}

static double largest(int64_t count, const double *values, double scale) {
  for (int64_t e = 0; e < count; e++)
    if (fabs(values[e]) > scale && isfinite(values[e])) scale = fabs(values[e]);
  return scale;
}

/* Infinities and NaN are themselves. */
static int is_within(float found, double exact, double bound) {
  if (exact != exact) return found != found;
  return isinf(exact) ? found == exact : fabs(found - exact) <= bound;
}

void expect_ulps(const char *what, int64_t count, const float *found, const double *exact, double ulps, double scale) {
  int holds = 1;
  scale = largest(count, exact, scale);
  for (int64_t e = 0; e < count; e++)
    holds &= is_within(found[e], exact[e], ulps * 0x1p-23 * fmax(fabs(exact[e]), scale * 0x1p-10));
  expect(holds, what);
}

void expect_ulps_of_largest(
  const char *what, int64_t count, const float *found, const double *exact, double ulps, double scale) {
  int holds = 1;
  scale = largest(count, exact, scale);
  for (int64_t e = 0; e < count; e++) holds &= is_within(found[e], exact[e], ulps * 0x1p-23 * scale);
  expect(holds, what);
}

void expect_sums(const char *what, int64_t count, const float *found, const double *exact, double terms) {
  int holds = 1;
  double wrong = 0, whole = 0;
  for (int64_t e = 0; e < count; e++)
    if (!isfinite(exact[e])) holds &= is_within(found[e], exact[e], 0);
    else wrong += (found[e] - exact[e]) * (found[e] - exact[e]), whole += exact[e] * exact[e];
  expect(holds && sqrt(wrong) <= 4 * 0x1p-24 * sqrt(terms > 1 ? terms : 1) * sqrt(whole), what);
}
