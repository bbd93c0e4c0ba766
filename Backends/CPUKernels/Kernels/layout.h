/* Elements moved as they are, whatever they are, with any strides: transpositions, slices, paddings.
 *
 * Bound: exact. Limited by memory. */
static void move(int bytes, int64_t count, const void *from, int64_t from_stride, void *to, int64_t to_stride) {
#define LOOP(type) \
  for (int64_t e = 0; e < count; e++) ((type *)to)[e * to_stride] = ((const type *)from)[e * from_stride]
  if (from_stride == 1 && to_stride == 1) memcpy(to, from, (size_t)(bytes * count));
  else if (bytes == 8) LOOP(uint64_t);
  else if (bytes == 4) LOOP(uint32_t);
  else if (bytes == 2) LOOP(uint16_t);
  else LOOP(uint8_t);
#undef LOOP
}
