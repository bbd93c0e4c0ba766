#include "image_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef SWITCHBACK_IMAGE_FILES
#include <png.h>
#include <turbojpeg.h>

int switchback_has_image_files(void) { return 1; }

/* Memory for the pixels with that many bytes each, or -1 with the reason. */
static int take(switchback_image *image, unsigned bytes_per_pixel, uint64_t max_pixels, char message[256]) {
  uint64_t pixels = (uint64_t)image->width * image->height;
  if (pixels == 0 || pixels > max_pixels) {
    snprintf(message, 256, "it says it has %u x %u pixels; at most %llu are read", image->width, image->height,
             (unsigned long long)max_pixels);
    return -1;
  }
  image->pixels = malloc(pixels * bytes_per_pixel);
  if (!image->pixels) snprintf(message, 256, "no memory for %u x %u pixels", image->width, image->height);
  return image->pixels ? 0 : -1;
}

static int give_back(switchback_image *image) {
  free(image->pixels);
  image->pixels = NULL;
  return -1;
}

/* a * b / 255, to the nearest. */
static uint8_t scaled(unsigned a, unsigned b) { return (uint8_t)((a * b + 127) / 255); }

/* From gray or color with opacity to it alone, in place. */
static void put_on_white(const switchback_image *image) {
  uint64_t pixels = (uint64_t)image->width * image->height;
  const uint8_t *from = image->pixels;
  uint8_t *to = image->pixels;
  for (uint64_t pixel = 0; pixel < pixels; ++pixel, from += image->channels + 1, to += image->channels) {
    unsigned opacity = from[image->channels];
    for (unsigned channel = 0; channel < image->channels; ++channel)
      to[channel] = (uint8_t)((from[channel] * opacity + 255 * (255 - opacity) + 127) / 255);
  }
}

/* From cyan, magenta, yellow and black to red, green and blue, in place: what one ink leaves, the black dims. */
static void inks_to_rgb(const switchback_image *image, int are_inverted) {
  uint64_t pixels = (uint64_t)image->width * image->height;
  const uint8_t *from = image->pixels;
  uint8_t *to = image->pixels;
  uint8_t flip = are_inverted ? 0 : 255;
  for (uint64_t pixel = 0; pixel < pixels; ++pixel, from += 4, to += 3) {
    uint8_t light = from[3] ^ flip;
    for (unsigned channel = 0; channel < 3; ++channel) to[channel] = scaled(from[channel] ^ flip, light);
  }
}

int switchback_decode_png(const uint8_t *bytes, uint64_t count, uint64_t max_pixels, switchback_image *image,
                          char message[256]) {
  png_image png = {.version = PNG_IMAGE_VERSION};
  if (!png_image_begin_read_from_memory(&png, bytes, count)) {
    snprintf(message, 256, "%s", png.message);
    return -1;
  }
  int is_color = (png.format & PNG_FORMAT_FLAG_COLOR) != 0;
  int has_opacity = (png.format & PNG_FORMAT_FLAG_ALPHA) != 0;
  /* Without this, 16-bit files without a gamma are taken for linear. */
  png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  /* The library would mix with a background in linear light, which nobody else does. */
  png.format = (is_color ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY) | (has_opacity ? PNG_FORMAT_FLAG_ALPHA : 0);
  *image = (switchback_image){.width = png.width, .height = png.height, .channels = is_color ? 3 : 1};
  if (take(image, image->channels + (has_opacity ? 1 : 0), max_pixels, message) != 0) {
    png_image_free(&png);
    return -1;
  }
  if (!png_image_finish_read(&png, NULL, image->pixels, 0, NULL)) {
    snprintf(message, 256, "%s", png.message);
    return give_back(image);
  }
  if (has_opacity) put_on_white(image);
  /* Color profiles are not used, so nothing is wrong where one of them is. */
  if (png.warning_or_error == 0 || strncmp(png.message, "iCCP", 4) == 0) return 0;
  snprintf(message, 256, "%s", png.message);
  return 1;
}

/* 0, 1 with the first warning, or -1 with the error. An error after a warning has the warning's code too, but not its
 * words: so the first run stops at a warning, and the second must end with the same words. */
static int decompress(tjhandle decoder, const uint8_t *bytes, uint64_t count, const switchback_image *image, int format,
                      int flags, char message[256]) {
  unsigned long size = (unsigned long)count;
  int width = (int)image->width, height = (int)image->height;
  if (tjDecompress2(decoder, bytes, size, image->pixels, width, 0, height, format, flags | TJFLAG_STOPONWARNING) == 0)
    return 0;
  int is_warning = tjGetErrorCode(decoder) == TJERR_WARNING;
  snprintf(message, 256, "%s", tjGetErrorStr2(decoder));
  if (!is_warning) return -1;
  if (tjDecompress2(decoder, bytes, size, image->pixels, width, 0, height, format, flags) == 0) return 0;
  if (strcmp(message, tjGetErrorStr2(decoder)) == 0) return 1;
  snprintf(message, 256, "%s", tjGetErrorStr2(decoder));
  return -1;
}

int switchback_decode_jpeg(const uint8_t *bytes, uint64_t count, uint64_t max_pixels, int are_inks_inverted,
                           switchback_image *image, char message[256]) {
  tjhandle decoder = tjInitDecompress();
  if (!decoder) {
    snprintf(message, 256, "no memory for a JPEG decoder");
    return -1;
  }
  int width = 0, height = 0, sampling = 0, colors = -1, result = -1;
  /* It also fails on warnings, and on samplings that it has no name for but can decode. */
  int header = tjDecompressHeader3(decoder, bytes, (unsigned long)count, &width, &height, &sampling, &colors);
  if (width <= 0 || height <= 0 || colors < 0) {
    snprintf(message, 256, "%s", header != 0 ? tjGetErrorStr2(decoder) : "it ends before its picture begins");
  } else {
    int has_inks = colors == TJCS_CMYK || colors == TJCS_YCCK;
    int format = colors == TJCS_GRAY ? TJPF_GRAY : has_inks ? TJPF_CMYK : TJPF_RGB;
    *image = (switchback_image){
        .width = (uint32_t)width, .height = (uint32_t)height, .channels = colors == TJCS_GRAY ? 1 : 3};
    if (take(image, (unsigned)tjPixelSize[format], max_pixels, message) == 0) {
      int flags = TJFLAG_ACCURATEDCT;
#ifdef TJFLAG_LIMITSCANS
      /* A small file of thousands of scans would take hours. */
      flags |= TJFLAG_LIMITSCANS;
#endif
      result = decompress(decoder, bytes, count, image, format, flags, message);
      if (result < 0) give_back(image);
      if (result >= 0 && has_inks) inks_to_rgb(image, are_inks_inverted);
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

int switchback_decode_jpeg(const uint8_t *bytes, uint64_t count, uint64_t max_pixels, int are_inks_inverted,
                           switchback_image *image, char message[256]) {
  (void)bytes, (void)count, (void)max_pixels, (void)are_inks_inverted, (void)image;
  return refuse(message);
}
#endif
