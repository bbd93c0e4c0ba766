/* What every CPU of an architecture has: SSE2 on x86-64, NEON on aarch64, where its 32 registers give the larger tiles.
 *
 * NEON is proved in emulation by Tests/Kernels, on no hardware; no speed of it was measured. */
#include "cpu_kernels.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define TABLE sb_kernels_baseline
#define NAME "baseline"
#define VECTOR 4
#include "Kernels/table.h"
