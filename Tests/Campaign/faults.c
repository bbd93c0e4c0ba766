/* Preloaded: lets the n-th call of one function on files below a folder fail, once or from then on.
 *
 * FAULT_CALL (write, rename, fsync, mkdir, close, open), FAULT_AT (from 1; 0: none), FAULT_ERRNO, FAULT_UNDER (a folder),
 * FAULT_STAYS (1: every later call of it fails too), FAULT_COUNT (a file that gets the number of calls at the end). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;

static int is_under(const char *path) {
  const char *folder = getenv("FAULT_UNDER");
  if (!folder || !path) return 0;
  char absolute[PATH_MAX];
  if (path[0] != '/') {
    char here[PATH_MAX / 2];
    if (!getcwd(here, sizeof here)) return 0;
    snprintf(absolute, sizeof absolute, "%s/%s", here, path);
    path = absolute;
  }
  return strncmp(path, folder, strlen(folder)) == 0;
}

static int is_file_under(int file) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t count = readlink(link, path, sizeof path - 1);
  if (count <= 0) return 0;
  path[count] = 0;
  return is_under(path);
}

/* Whether this call is to fail; errno says why. */
static int fails(const char *call) {
  const char *wanted = getenv("FAULT_CALL"), *at = getenv("FAULT_AT"), *code = getenv("FAULT_ERRNO");
  if (!wanted || strcmp(wanted, call)) return 0;
  long number = ++calls, due = at ? atol(at) : 0;
  if (due == 0 || (getenv("FAULT_STAYS") ? number < due : number != due)) return 0;
  errno = code ? atoi(code) : EIO;
  return 1;
}

__attribute__((destructor)) static void tell(void) {
  const char *path = getenv("FAULT_COUNT");
  if (!path) return;
  FILE *file = fopen(path, "w");
  if (!file) return;
  fprintf(file, "%ld\n", (long)calls);
  fclose(file);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *bytes, size_t count) {
  if (is_file_under(file) && fails("write")) return -1;
  return REAL(write)(file, bytes, count);
}
int rename(const char *from, const char *to) {
  if (is_under(to) && fails("rename")) return -1;
  return REAL(rename)(from, to);
}
int fsync(int file) {
  if (is_file_under(file) && fails("fsync")) return -1;
  return REAL(fsync)(file);
}
int mkdir(const char *path, mode_t mode) {
  if (is_under(path) && fails("mkdir")) return -1;
  return REAL(mkdir)(path, mode);
}
int close(int file) {
  if (is_file_under(file) && fails("close")) {
    int code = errno;
    REAL(close)(file);
    errno = code;
    return -1;
  }
  return REAL(close)(file);
}

static int open_any(int folder, const char *path, int flags, mode_t mode) {
  if (is_under(path) && fails("open")) return -1;
  return REAL(openat)(folder, path, flags, mode);
}
#define MODE(flags) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | O_TMPFILE)) { \
    va_list list; \
    va_start(list, flags); \
    mode = va_arg(list, mode_t); \
    va_end(list); \
  }
int open(const char *path, int flags, ...) {
  MODE(flags)
  return open_any(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  MODE(flags)
  return open_any(AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
  MODE(flags)
  return open_any(folder, path, flags, mode);
}
