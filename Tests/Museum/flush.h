/* Denormal numbers become zeros on this thread. */
#if defined(__x86_64__)
#include <immintrin.h>
static inline void flush_to_zero(void) { _mm_setcsr(_mm_getcsr() | 0x8040); }
#elif defined(__aarch64__)
static inline void flush_to_zero(void) {
  unsigned long mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  __asm__ volatile("msr fpcr, %0" ::"r"(mode | 1ul << 24));
}
#endif
