#define _GNU_SOURCE
#include "openblas_library.h"

#include "small_products.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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
static void *(*memory_alloc)(int);
static void (*memory_free)(void *);

/* More than any build maps for one buffer of a thread: 32 to 128 MB on x86-64, used or not. */
enum { BUFFER_BYTES = 256 << 20 };
static const char no_room[] = "OpenBLAS maps 32 to 128 MB of address space for each worker, and the limit leaves no room "
  "for that: raise it (ulimit -v), use fewer --threads, or choose another backend";

/* OpenBLAS tries again for ever where a buffer cannot be mapped, so it is asked for one only where it can. */
static int has_room(void) {
  void *room = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return 0;
  munmap(room, BUFFER_BYTES);
  return 1;
}

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
  if (!has_room()) {
    failure = no_room;
    return;
  }
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
  memory_alloc = (void *(*)(int))dlsym(handle, "blas_memory_alloc");
  memory_free = (void (*)(void *))dlsym(handle, "blas_memory_free");
  /* Workers are the host's; BLAS threads beside them cost 27 to 43 %. */
  set_threads(1);
  library.core = corename();
  library.sgemm = switchback_sgemm_without_allocation((void *)sgemm, library.core);
  library.cgemm = (void *)cgemm;
  library.config = config();
}

const switchback_openblas *switchback_openblas_open(const char **reason) {
  pthread_once(&once, open_library);
  if (!failure) return &library;
  *reason = failure;
  return NULL;
}

int switchback_openblas_reserve(int workers, const char **reason) {
  /* Builds that hide the two functions map their buffers when they are first needed. */
  if (!memory_alloc || !memory_free) return 1;
  void **buffers = calloc(workers > 0 ? (size_t)workers : 1, sizeof *buffers);
  int count = 0;
  while (buffers && count < workers && has_room()) buffers[count++] = memory_alloc(0);
  for (int index = 0; index < count; index++) memory_free(buffers[index]);
  free(buffers);
  if (count == workers) return 1;
  *reason = no_room;
  return 0;
}
#else
const switchback_openblas *switchback_openblas_open(const char **reason) {
  *reason = "not built: the package was built without its trait OpenBLAS (install libopenblas-dev and build again)";
  return NULL;
}

int switchback_openblas_reserve(int workers, const char **reason) {
  (void)workers;
  return switchback_openblas_open(reason) != NULL;
}
#endif
