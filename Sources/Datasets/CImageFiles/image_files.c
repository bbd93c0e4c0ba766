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

int switchback_read_file(const char *path, uint64_t most, void (*take)(void *to, const uint8_t *piece, uint64_t count),
                         void *to) {
  enum { PIECE = 1 << 18 };
  errno = 0;
  file_t file = open_file(path);
  uint8_t *piece = file ? malloc(PIECE) : NULL;
  int code = piece ? 0 : errno ? errno : ENOMEM, is_good = piece != NULL;
  for (uint64_t used = 0; is_good;) {
    const int64_t got = read_some(file, piece, PIECE);
    if (got == 0) break;
    if (got < 0) {
      code = is_broken(file) ? 0 : errno ? errno : EIO;
      is_good = 0;
    } else if ((used += (uint64_t)got) > most) {
      code = EFBIG;
      is_good = 0;
    } else {
      take(to, piece, (uint64_t)got);
    }
  }
  free(piece);
  if (file) close_file(file);
  errno = code;
  return is_good;
}
