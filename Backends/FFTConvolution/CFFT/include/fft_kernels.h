/* Moving planes of tensors to spectra and back, compiled for several instruction sets.
 *
 * Two real channels are one complex number: neighbours in an NHWC tensor already lie like that, and a complex
 * transform of interleaved planes runs 5.7 times as fast as FFTW's real one of as many channels (32×32, 64 channels,
 * Emerald Rapids, FFTW 3.3.10: 2.4 ms against 13.9 ms for 64 images). With e and o the spectra of the even and the odd
 * channel and Z = e + i·o: e(f) = (Z(f) + conj Z(−f)) / 2, o(f) = (Z(f) − conj Z(−f)) / 2i. The halves are left out and
 * put into the scale of the inverse. */
#ifndef SWITCHBACK_FFT_KERNELS_H
#define SWITCHBACK_FFT_KERNELS_H

#include <stdint.h>

/* Which elements of one axis of a tensor lie where in the transform. */
typedef struct {
  int32_t count, position, position_step; /* positions are taken modulo the length of the transform */
  int64_t source, source_step;            /* floats */
  int32_t element, element_step;          /* where the elements lie on the axis */
} sb_fft_window;

/* Which elements of a result are sums of zeros only: 0 at marks[vertical element · row + horizontal element]. */
typedef struct {
  const uint8_t *marks; /* null: none is */
  int64_t row;
} sb_fft_zeros;

/* One axis of transforms: of `length` at once, or (second > 1) of `first` and then of `second` with twiddle factors
 * between, length = first·second. FFTW's own plans for such lengths do not run across the channels and are two to three
 * times slower. The frequencies are left in the order in which they come; `negative` says where −f lies. */
typedef struct {
  int32_t length, first, second;
  int32_t pad; /* complex numbers between each `second` positions and the next */
  const float *twiddles; /* e^(−2πi·k·j / length) for k < first, j < second */
  const void *first_forward, *second_forward, *first_inverse, *second_inverse;
  const int32_t *negative;
} sb_fft_axis;

/* Transforms of up to 2·pairs channels side by side, in scratch memory [rows][row_stride] of complex numbers. */
typedef struct {
  sb_fft_axis vertical, horizontal; /* vertical.length 1: one axis only */
  int32_t pairs, row_stride;
  int32_t half_count; /* the columns that a spectrum keeps; the others are their conjugates */
  const int32_t *half;
  const int32_t *offset; /* floats from a row's start to a column */
  void (*execute)(const void *plan, float *data);
} sb_fft_block;

/* Two floats an element, and two cache lines more, so that lines do not lie a power of two apart. */
#define SB_FFT_LINE(elements) (2 * (size_t)(elements) + 32)

typedef struct {
  /* Scratch ← the transform of `channels` channels of the tensor's window, zero elsewhere. */
  void (*forward)(
    const sb_fft_block *, const sb_fft_window *vertical, const sb_fft_window *horizontal, const float *tensor,
    int channels, float *scratch);
  /* The tensor's window ← (or += where `adds`) scale · the inverse transform of the scratch, exactly 0 where told. */
  void (*inverse)(
    const sb_fft_block *, const sb_fft_window *vertical, const sb_fft_window *horizontal, sb_fft_zeros, float scale,
    int adds, float *scratch, int channels, float *tensor);
  /* Spectrum[f·stride + c] (complex numbers) ← twice the spectrum of channel c; f runs over rows × half. */
  void (*separate)(const sb_fft_block *, const float *scratch, int channels, float *spectrum, int64_t stride);
  /* The reverse, without the halves and doubles: Z = e + i·o. */
  void (*combine)(const sb_fft_block *, const float *spectrum, int64_t stride, int channels, float *scratch);
  /* y ← (or += where `adds`) x·w, or conj(x)·w; complex numbers. */
  void (*multiply)(int64_t count, int conjugates, int adds, const float *x, const float *w, float *y);
  /* All three at once: scratch ← the transform of which each channel's spectrum is multiplied by w, or conj(w);
   * w[frequency][channel] as separate makes it, of 2·pairs channels. Nothing goes through memory between. */
  void (*filter)(const sb_fft_block *, int conjugates, const float *w, float *scratch);
  /* The window's elements of neighbouring channels pair by pair, lines[pair][element][2], and back. A line takes
   * SB_FFT_LINE floats. */
  void (*pack)(const sb_fft_window *, const float *tensor, int channels, float *lines);
  void (*unpack)(const sb_fft_window *, const float *lines, int channels, float *tensor);
  /* marks[i·columns + j] ← whether any channel of the element (i, j) differs from zero; returns how many do. */
  int64_t (*occupied)(
    const float *tensor, int rows, int64_t row_step, int columns, int64_t column_step, int channels, uint8_t *marks);
} sb_fft_kernels;

/* The kernels called `name`: avx512, avx2, else those for any CPU. */
const sb_fft_kernels *sb_fft_kernels_named(const char *name);

#endif
