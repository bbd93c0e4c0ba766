// Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, SC 2011, §3.3, table 2): element e takes word e mod 4 for the counter
// (e / 4, stream, step). One work-item four elements.

uint4 philox(uint4 counter, uint2 key) {
  for (int round = 0; round < 10; round++) {
    if (round) key += (uint2)(0x9E3779B9u, 0xBB67AE85u);
    uint high0 = mul_hi(counter.x, 0xD2511F53u), low0 = counter.x * 0xD2511F53u;
    uint high1 = mul_hi(counter.z, 0xCD9E8D57u), low1 = counter.z * 0xCD9E8D57u;
    counter = (uint4)(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
  }
  return counter;
}

float uniform_of(uint bits) { return (bits >> 8) * 0x1p-24f; }

// key is (seed, step).
__kernel void random_numbers(__global const long *key, __global float *y, uint stream, int count) {
  int block = get_global_id(0);
  if (4 * block >= count) return;
  ulong seed = key[0];
  uint4 bits = philox((uint4)(block, 0, stream, (uint)key[1]), (uint2)((uint)seed, (uint)(seed >> 32)));
  float four[4];
#ifdef NORMAL
  // Box and Muller (1958). The angle in units of π is exact, so near a zero of the cosine no digit is lost.
  for (int pair = 0; pair < 4; pair += 2) {
    float radius = sqrt(-2 * log(uniform_of(pair ? bits.z : bits.x) + 0x1p-24f));
    float angle = 2 * uniform_of(pair ? bits.w : bits.y);
    four[pair] = radius * cospi(angle);
    four[pair + 1] = radius * sinpi(angle);
  }
#else
  four[0] = uniform_of(bits.x);
  four[1] = uniform_of(bits.y);
  four[2] = uniform_of(bits.z);
  four[3] = uniform_of(bits.w);
#endif
  for (int word = 0; word < min(4, count - 4 * block); word++) y[4 * block + word] = four[word];
}
