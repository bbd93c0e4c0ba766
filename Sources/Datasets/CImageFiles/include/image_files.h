/* Files that need a C library: gzip (zlib), PNG (libpng), JPEG (libturbojpeg). Without the package trait ImageFiles only
 * plain files can be read. */
#ifndef SWITCHBACK_IMAGE_FILES_H
#define SWITCHBACK_IMAGE_FILES_H

#include <stdint.h>

/* Whether gzip, PNG and JPEG files can be read. */
int switchback_has_image_files(void);

/* Gives `take` the file at path piece by piece, unpacked where it is gzip. 1; else 0, with errno (EFBIG: it has more than
 * `most` bytes; what the system said) or, for a broken gzip file, errno 0. */
int switchback_read_file(const char *path, uint64_t most, void (*take)(void *to, const uint8_t *piece, uint64_t count),
                         void *to);

typedef struct {
  uint32_t width, height;
  uint32_t channels; /* 1: gray, 3: red, green, blue */
  uint8_t *pixels;   /* height * width * channels bytes; the caller frees them */
} switchback_image;

/* Decode a file's bytes. 0; 1 where the picture could be read, with words in message on what is wrong with the file; -1
 * with words in message. Images of more than max_pixels are refused before memory is taken. */

/* Transparent parts become white: what is seen through them is mixed in by its share, as the numbers of the file stand. */
int switchback_decode_png(const uint8_t *bytes, uint64_t count, uint64_t max_pixels, switchback_image *image,
                          char message[256]);

/* Four inks (CMYK, YCCK) become red, green and blue; are_inks_inverted: 255 is no ink, as Adobe's programs write it.
 * What a truncated file lacks is gray, with a warning. */
int switchback_decode_jpeg(const uint8_t *bytes, uint64_t count, uint64_t max_pixels, int are_inks_inverted,
                           switchback_image *image, char message[256]);

#endif
