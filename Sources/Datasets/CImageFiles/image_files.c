#include "image_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef SWITCHBACK_IMAGE_FILES
#include <zlib.h>
typedef gzFile file_t;
static file_t open_file(const char *path) { return gzopen(path, "rb"); }
static int64_t read_some(file_t file, void *to, unsigned count) { return gzread(file, to, count); }
static void close_file(file_t file) { gzclose(file); }
/* Whether reading failed because of what the file holds. */
static int is_broken(file_t file) {
  int code = Z_OK;
  gzerror(file, &code);
  return code != Z_ERRNO;
}
#else
typedef FILE *file_t;
static file_t open_file(const char *path) { return fopen(path, "rb"); }
static int64_t read_some(file_t file, void *to, unsigned count) {
  size_t got = fread(to, 1, count, file);
  return got == 0 && ferror(file) ? -1 : (int64_t)got;
}
static void close_file(file_t file) { fclose(file); }
static int is_broken(file_t file) {
  (void)file;
  return 0;
}
#endif

uint8_t *switchback_read_file(const char *path, uint64_t most, uint64_t *count) {
  errno = 0;
  file_t file = open_file(path);
  if (!file) {
    if (!errno) errno = ENOMEM;
    return NULL;
  }
  uint64_t capacity = 1 << 20, used = 0;
  uint8_t *bytes = malloc(capacity);
  while (bytes) {
    int64_t got = read_some(file, bytes + used, 1 << 19);
    if (got < 0) {
      int code = is_broken(file) ? 0 : errno ? errno : EIO;
      free(bytes);
      close_file(file);
      errno = code;
      return NULL;
    }
    if (got == 0) break;
    used += (uint64_t)got;
    if (used > most) {
      free(bytes);
      close_file(file);
      errno = EFBIG;
      return NULL;
    }
    if (capacity - used < 1 << 19) {
      uint8_t *grown = realloc(bytes, capacity *= 2);
      if (!grown) free(bytes);
      bytes = grown;
    }
  }
  close_file(file);
  if (!bytes) errno = ENOMEM;
  *count = used;
  return bytes;
}
