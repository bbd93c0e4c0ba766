/* Files that need a C library: gzip. Without the package trait ImageFiles only plain files can be read. */
#ifndef SWITCHBACK_IMAGE_FILES_H
#define SWITCHBACK_IMAGE_FILES_H

#include <stdint.h>

/* Whether gzip files can be read. */
int switchback_has_gzip(void);

/* The whole file at path, unpacked where it is gzip, in memory that the caller frees; null with errno or, for a broken
 * gzip file, errno 0. */
uint8_t *switchback_read_file(const char *path, uint64_t *count);

#endif
