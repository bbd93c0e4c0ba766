/* Small products of OpenBLAS' kernels for AVX-512, without the memory that these allocate at each call. */
#ifndef SWITCHBACK_SMALL_PRODUCTS_H
#define SWITCHBACK_SMALL_PRODUCTS_H

#include "openblas_library.h"

/* What multiplies as `sgemm`, whose kernels are called `core`, and allocates nothing; to the same bits where alpha is 1 and
 * beta 0 or 1, as all of ours are. */
switchback_sgemm *switchback_sgemm_without_allocation(switchback_sgemm *sgemm, const char *core);

#endif
