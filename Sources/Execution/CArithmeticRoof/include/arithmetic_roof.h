/* What a core reaches at most: multiply-adds of Float32 that never leave its registers. */
#ifndef SWITCHBACK_ARITHMETIC_ROOF_H
#define SWITCHBACK_ARITHMETIC_ROOF_H

#include <stdint.h>

/* The widest instruction set that this CPU has: avx512, avx2, neon or baseline; at most what $SWITCHBACK_CPU_KERNELS allows,
   as the kernels of our CPU backends are chosen. */
const char *switchback_roof_instruction_set(void);

/* Does so many rounds of multiply-adds on the calling thread. Answers the floating-point operations done (a multiply-add
   counts two, as in `TensorOperation.cost`). */
double switchback_roof_run(int64_t rounds);

#endif
