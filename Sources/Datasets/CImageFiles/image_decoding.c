#include "image_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef SWITCHBACK_IMAGE_FILES
#include <png.h>
#include <turbojpeg.h>

int switchback_has_image_files(void) { return 1; }

/* Memory for the pixels, or -1 with the reason. */
static int take(switchback_image *image, uint64_t max_pixels, char message[256]) {
  uint64_t pixels = (uint64_t)image->width * image->height;
  if (pixels == 0 || pixels > max_pixels) {
    snprintf(message, 256, "it says it has %u x %u pixels; at most %llu are read", image->width, image->height,
             (unsigned long long)max_pixels);
    return -1;
  }
  image->pixels = malloc(pixels * image->channels);
  if (!image->pixels) snprintf(message, 256, "no memory for %u x %u pixels", image->width, image->height);
  return image->pixels ? 0 : -1;
}

static int give_back(switchback_image *image) {
  free(image->pixels);
  image->pixels = NULL;
  return -1;
}

int switchback_decode_png(const uint8_t *bytes, uint64_t count, uint64_t max_pixels, switchback_image *image,
                          char message[256]) {
  png_image png = {.version = PNG_IMAGE_VERSION};
  if (!png_image_begin_read_from_memory(&png, bytes, count)) {
    snprintf(message, 256, "%s", png.message);
    return -1;
  }
  int is_color = (png.format & PNG_FORMAT_FLAG_COLOR) != 0;
  /* Without this, 16-bit files without a gamma are taken for linear. */
  png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  png.format = is_color ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  *image = (switchback_image){.width = png.width, .height = png.height, .channels = is_color ? 3 : 1};
  if (take(image, max_pixels, message) != 0) {
    png_image_free(&png);
    return -1;
  }
  png_color white = {255, 255, 255};
  if (!png_image_finish_read(&png, &white, image->pixels, 0, NULL)) {
    snprintf(message, 256, "%s", png.message);
    return give_back(image);
  }
  return 0;
}

int switchback_decode_jpeg(const uint8_t *bytes, uint64_t count, uint64_t max_pixels, switchback_image *image,
                           char message[256]) {
  tjhandle decoder = tjInitDecompress();
  if (!decoder) {
    snprintf(message, 256, "no memory for a JPEG decoder");
    return -1;
  }
  int width = 0, height = 0, sampling = 0, colors = 0, result = -1;
  if (tjDecompressHeader3(decoder, bytes, (unsigned long)count, &width, &height, &sampling, &colors) != 0) {
    snprintf(message, 256, "%s", tjGetErrorStr2(decoder));
  } else {
    int is_gray = colors == TJCS_GRAY;
    *image = (switchback_image){.width = (uint32_t)width, .height = (uint32_t)height, .channels = is_gray ? 1 : 3};
    if (take(image, max_pixels, message) == 0) {
      /* The library fills what a truncated file lacks with gray and only warns. */
      result = tjDecompress2(decoder, bytes, (unsigned long)count, image->pixels, width, 0, height,
                             is_gray ? TJPF_GRAY : TJPF_RGB, TJFLAG_STOPONWARNING | TJFLAG_ACCURATEDCT);
      if (result != 0) {
        snprintf(message, 256, "%s", tjGetErrorStr2(decoder));
        give_back(image);
      }
    }
  }
  tjDestroy(decoder);
  return result;
}

#else

int switchback_has_image_files(void) { return 0; }

static int refuse(char message[256]) {
  snprintf(message, 256, "this build reads PGM and PPM only (package trait ImageFiles: libpng-dev, libturbojpeg0-dev)");
  return -1;
}

int switchback_decode_png(const uint8_t *bytes, uint64_t count, uint64_t max_pixels, switchback_image *image,
                          char message[256]) {
  (void)bytes, (void)count, (void)max_pixels, (void)image;
  return refuse(message);
}

int switchback_decode_jpeg(const uint8_t *bytes, uint64_t count, uint64_t max_pixels, switchback_image *image,
                           char message[256]) {
  (void)bytes, (void)count, (void)max_pixels, (void)image;
  return refuse(message);
}
#endif
