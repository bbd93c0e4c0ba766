/* Random numbers as a function of seed, stream, step and place.
 *
 * Algorithm: Philox 4x32-10, a block cipher of a counter; normal numbers by Box and Muller's transform in double.
 * Layout: LANES counters at a time; a block gives four neighbouring elements.
 * Bound: uniform numbers are exact, as the reference makes them.
 * Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3. */
/* Philox 4x32-10 (Salmon et al., 2011) on LANES counters at a time. Element e is word e mod 4 of block e / 4. */
static void philox(uint64_t seed, uint32_t stream, uint32_t step, uint64_t block, uint32_t words[4][LANES]) {
  uint32_t a[LANES], b[LANES], c[LANES], d[LANES], k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int i = 0; i < LANES; i++) {
    a[i] = (uint32_t)(block + (uint64_t)i);
    b[i] = (uint32_t)((block + (uint64_t)i) >> 32);
    c[i] = stream;
    d[i] = step;
  }
  for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
    for (int i = 0; i < LANES; i++) {
      uint64_t first = (uint64_t)a[i] * 0xD2511F53u, second = (uint64_t)c[i] * 0xCD9E8D57u;
      a[i] = (uint32_t)(second >> 32) ^ b[i] ^ k0;
      b[i] = (uint32_t)second;
      c[i] = (uint32_t)(first >> 32) ^ d[i] ^ k1;
      d[i] = (uint32_t)first;
    }
  memcpy(words[0], a, sizeof a);
  memcpy(words[1], b, sizeof b);
  memcpy(words[2], c, sizeof c);
  memcpy(words[3], d, sizeof d);
}

static void random_numbers(
  int distribution, uint64_t seed, uint32_t stream, uint32_t step, int64_t first, int64_t count, float *y) {
  uint32_t words[4][LANES];
  float numbers[4 * LANES];
  for (int64_t start = first / 4 * 4; start < first + count; start += 4 * LANES) {
    philox(seed, stream, step, (uint64_t)start / 4, words);
    for (int w = 0; w < 4; w++)
      for (int i = 0; i < LANES; i++) numbers[4 * i + w] = (float)(int32_t)(words[w][i] >> 8) * 0x1p-24f;
    if (distribution == SB_NORMAL)
      for (int i = 0; i < 4 * LANES; i += 2) {
        /* In double: near a zero of the cosine an angle rounded to float leaves few right digits. */
        double radius = sqrt(-2 * log((double)numbers[i] + 0x1p-24)), angle = 6.283185307179586 * numbers[i + 1];
        numbers[i] = (float)(radius * cos(angle));
        numbers[i + 1] = (float)(radius * sin(angle));
      }
    int64_t from = start < first ? first - start : 0, end = first + count - start;
    if (end > 4 * LANES) end = 4 * LANES;
    memcpy(y + (start + from - first), numbers + from, sizeof(float) * (size_t)(end - from));
  }
}
