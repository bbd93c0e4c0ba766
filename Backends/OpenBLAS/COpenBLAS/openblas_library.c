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

/* Sets a variable unless value is null; answers a copy of what it was, or null. */
static char *replace(const char *name, const char *value) {
  const char *before = getenv(name);
  char *kept = before ? strdup(before) : NULL;
  if (value) setenv(name, value, 1);
  return kept;
}

static void put_back(const char *name, char *kept) {
  if (kept) {
    setenv(name, kept, 1);
    free(kept);
  } else {
    unsetenv(name);
  }
}

static void open_library(void) {
  /* OpenBLAS reads two variables when it is loaded; afterwards the environment is put back.
   * 0.3.21 takes newer Intel processors for a Prescott and is then four times slower, so the choice of kernels is ours
   * (SWITCHBACK_OPENBLAS_CORETYPE is for whoever knows better). Workers are the host's: it must start no threads. */
  const char *wanted = getenv("SWITCHBACK_OPENBLAS_CORETYPE");
  if (!wanted) wanted = switchback_openblas_best_core();
  char *core_type = replace("OPENBLAS_CORETYPE", wanted), *threads = replace("OPENBLAS_NUM_THREADS", "1");
  void *handle = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  put_back("OPENBLAS_CORETYPE", core_type);
  put_back("OPENBLAS_NUM_THREADS", threads);
  if (!handle) {
    failure = "libopenblas.so.0 is not on this machine; install the Debian package libopenblas0 (or libopenblas-dev)";
    return;
  }
  __typeof__(&openblas_set_num_threads) set_threads = dlsym(handle, "openblas_set_num_threads");
  __typeof__(&openblas_get_corename) corename = dlsym(handle, "openblas_get_corename");
  __typeof__(&openblas_get_config) config = dlsym(handle, "openblas_get_config");
  __typeof__(&cblas_sgemm) sgemm = dlsym(handle, "cblas_sgemm");
  __typeof__(&cblas_cgemm) cgemm = dlsym(handle, "cblas_cgemm");
  if (!set_threads || !corename || !config || !sgemm || !cgemm) {
    failure = "libopenblas.so.0 lacks cblas_sgemm, cblas_cgemm or its openblas_ functions; "
      "install the Debian package libopenblas0";
    return;
  }
  /* Workers are the host's; BLAS threads beside them cost 27 to 43 %. */
  set_threads(1);
  library.sgemm = (void *)sgemm;
  library.cgemm = (void *)cgemm;
  library.core = corename();
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
