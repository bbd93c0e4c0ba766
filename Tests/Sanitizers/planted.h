/* Included before every C kernel of a build that a sanitizer must reject (see sanitize.py), and of no other.
 *
 * PLANTED_OVERFLOW: expf writes one byte behind a block of eight. PLANTED_RACE: expf counts its calls in a variable that
 * all workers share without a lock. */
#include <math.h>
#include <stdlib.h>

#if defined(PLANTED_OVERFLOW)
static inline float planted_expf(float x) {
  volatile char *block = malloc(8);
  block[8] = 1;
  free((void *)block);
  return expf(x);
}
#elif defined(PLANTED_RACE)
long planted_calls __attribute__((weak));
static inline float planted_expf(float x) {
  planted_calls++;
  return expf(x);
}
#endif
#define expf planted_expf
