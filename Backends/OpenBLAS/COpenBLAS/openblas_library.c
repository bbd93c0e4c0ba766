#define _GNU_SOURCE
#include "openblas_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *switchback_openblas_best_core(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return "SkylakeX";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return NULL;
}

#ifdef SWITCHBACK_OPENBLAS
#include <cblas.h>

static switchback_openblas library;
static const char *failure;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void) {
  /* OpenBLAS 0.3.21 takes newer Intel processors for a Prescott and is then four times slower, so the choice is ours.
   * It reads the variable when it is loaded; afterwards the environment is put back. SWITCHBACK_OPENBLAS_CORETYPE is
   * for whoever knows better. */
  const char *wanted = getenv("SWITCHBACK_OPENBLAS_CORETYPE");
  if (!wanted) wanted = switchback_openblas_best_core();
  const char *before = getenv("OPENBLAS_CORETYPE");
  char *kept = before ? strdup(before) : NULL;
  if (wanted) setenv("OPENBLAS_CORETYPE", wanted, 1);
  void *handle = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (kept) {
    setenv("OPENBLAS_CORETYPE", kept, 1);
    free(kept);
  } else {
    unsetenv("OPENBLAS_CORETYPE");
  }
  if (!handle) {
    failure = "libopenblas.so.0 is not on this machine; install the Debian package libopenblas0 (or libopenblas-dev)";
    return;
  }
  __typeof__(&openblas_set_num_threads) set_threads = dlsym(handle, "openblas_set_num_threads");
  __typeof__(&openblas_get_corename) core = dlsym(handle, "openblas_get_corename");
  __typeof__(&openblas_get_config) config = dlsym(handle, "openblas_get_config");
  __typeof__(&cblas_sgemm) sgemm = dlsym(handle, "cblas_sgemm");
  __typeof__(&cblas_cgemm) cgemm = dlsym(handle, "cblas_cgemm");
  if (!set_threads || !core || !config || !sgemm || !cgemm) {
    failure = "libopenblas.so.0 lacks cblas_sgemm, cblas_cgemm or its openblas_ functions; install the Debian package libopenblas0";
    return;
  }
  /* Workers are the host's; BLAS threads beside them cost 27 to 43 %. */
  set_threads(1);
  library.sgemm = (void *)sgemm;
  library.cgemm = (void *)cgemm;
  library.core = core();
  library.config = config();
}

const switchback_openblas *switchback_openblas_open(const char **reason) {
  pthread_once(&once, open_library);
  if (!failure) return &library;
  *reason = failure;
  return NULL;
}
#else
const switchback_openblas *switchback_openblas_open(const char **reason) {
  *reason = "not built: the package was built without its trait OpenBLAS (install libopenblas-dev and build again)";
  return NULL;
}
#endif
