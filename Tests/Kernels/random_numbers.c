/* Random numbers: each element by the law of Sources/Programs/Operations/RandomNumbers.swift, from any place on. */
#include "check.h"

/* Philox 4x32-10, one counter at a time. */
static void philox(uint32_t counter[4], uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; round++, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
    uint64_t first = (uint64_t)counter[0] * 0xD2511F53u, second = (uint64_t)counter[2] * 0xCD9E8D57u;
    uint32_t next[4] = {
      (uint32_t)(second >> 32) ^ counter[1] ^ key0, (uint32_t)second, (uint32_t)(first >> 32) ^ counter[3] ^ key1,
      (uint32_t)first};
    memcpy(counter, next, sizeof next);
  }
}

static double number_of(int distribution, uint64_t seed, uint32_t stream, uint32_t step, int64_t e) {
  uint32_t words[4] = {(uint32_t)(e / 4), (uint32_t)((uint64_t)(e / 4) >> 32), stream, step};
  philox(words, (uint32_t)seed, (uint32_t)(seed >> 32));
  if (distribution == SB_UNIFORM) return (words[e % 4] >> 8) * 0x1p-24;
  double u = (words[e % 4 / 2 * 2] >> 8) * 0x1p-24, v = (words[e % 4 / 2 * 2 + 1] >> 8) * 0x1p-24;
  double radius = sqrt(-2 * log(u + 0x1p-24)), angle = 2 * 3.14159265358979324 * v;
  return radius * (e % 2 ? sin(angle) : cos(angle));
}

void test_random_numbers(const sb_kernels *k) {
  static const int64_t places[] = {0, 1, 62, (1LL << 34) - 7};
  static const int counts[] = {0, 1, 3, 64, 201};
  about("%s, random numbers", k->name);
  /* Known answers of the authors of the cipher (Random123, kat_vectors). */
  uint32_t zeros[4] = {0}, ones[4] = {~0u, ~0u, ~0u, ~0u};
  philox(zeros, 0, 0), philox(ones, ~0u, ~0u);
  expect(
    zeros[0] == 0x6627e8d5u && zeros[3] == 0x9b00dbd8u && ones[0] == 0x408f276du && ones[3] == 0x6d5451fdu, "philox");
  for (int distribution = 0; distribution < 2; distribution++)
    for (int p = 0; p < 4; p++)
      for (int i = 0; i < 5; i++) {
        uint64_t seed = 0x123456789abcdefULL * (uint64_t)(p + 1);
        float *found = floats(counts[i]);
        double *exact = doubles(counts[i]);
        about("%s, random numbers %d: %d from %lld on", k->name, distribution, counts[i], (long long)places[p]);
        k->random(distribution, seed, 3, 11, places[p], counts[i], found);
        for (int e = 0; e < counts[i]; e++) exact[e] = number_of(distribution, seed, 3, 11, places[p] + e);
        expect_ulps("numbers", counts[i], found, exact, distribution == SB_UNIFORM ? 0 : 32, 1);
        release();
      }
}
