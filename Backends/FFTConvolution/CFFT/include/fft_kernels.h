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
} sb_fft_window;

/* Along one axis, which results an element has part in: marks are placed, each place then takes those of `taps` places
 * from its own on, `tap_step` apart, and the results are read. */
typedef struct {
  int64_t length; /* places */
  int64_t given, place, place_step;
  int64_t taps, tap_step;
  int64_t results, read, read_step;
  int32_t meets_all; /* whether each result meets some element, and not padding only */
} sb_fft_reach;

/* Which elements of a result are sums of zeros only, from the operand whose places decide it. */
typedef struct {
  sb_fft_reach vertical, horizontal;
  int64_t operand_row, operand_column, result_row, result_column; /* floats from one to the next */
  int32_t operand_channels, result_channels;                      /* of a group */
} sb_fft_zeros;

/* One axis of a filter's gradient: tap i of output p meets element p·stride + i·dilation − before, if there is one.
 * Outside of x and y, from … below, all elements and all outputs are zero. */
typedef struct {
  int64_t size, outputs, stride, dilation, before;
  int64_t x[2], y[2];
} sb_fft_taps;

/* Where up to eight images x and their upstream gradients y differ from zero: a bit an image. */
typedef struct {
  sb_fft_taps vertical, horizontal;
  int32_t groups, channels, filters; /* channels and filters of a group */
  const uint8_t *x, *y;              /* [row][column][channel] */
  const uint8_t *x_rows, *y_rows;    /* [row][channel]: of any column */
  const uint8_t *x_any, *y_any;      /* [channel]: of any row */
  int64_t steps;                     /* looked at for one tap at most: then what is not met counts as met */
} sb_fft_occupancy;

/* One axis of transforms: of `length` at once, or (second > 1) of `first` and then of `second` with twiddle factors
 * between, length = first·second. A long `second` is divided once more (`inner`). FFTW's own plans for such lengths do not
 * run across the channels, are two to three times slower, and allocate memory whenever they run. The frequencies are left
 * in the order in which they come; `negative` says where −f lies. */
typedef struct sb_fft_axis {
  int32_t length, first, second;
  int32_t pad; /* complex numbers between each `second` positions and the next */
  const float *twiddles; /* e^(−2πi·k·j / length) for k < first, j < second */
  const void *first_forward, *second_forward, *first_inverse, *second_inverse;
  const struct sb_fft_axis *inner; /* of each `second` positions, in place of the second plans; or null */
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
  /* The tensor's window ← (or += where `adds`) scale · the inverse transform of the scratch. */
  void (*inverse)(
    const sb_fft_block *, const sb_fft_window *vertical, const sb_fft_window *horizontal, float scale, int adds,
    float *scratch, int channels, float *tensor);
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
  /* Makes exact zeros of `channels` channels of a result, of which the first `skipped` channels of their group are not
   * among them: those that meet no element of their group of the operand (of `groups` groups from this one on) that
   * differs from zero. Memory: a byte for each group and place of a row, and for each group, column of the result and
   * place along a column. */
  void (*clear)(
    const sb_fft_zeros *, const float *operand, int groups, float *result, int skipped, int channels, uint8_t *memory);
  /* marks[j·channels + c] ← a bit for each of up to eight images, whether it differs from zero at column j of the row
   * that begins `row` floats behind its start; any[c] ← of all columns; occupied ← from … below which columns any is. */
  void (*occupy)(
    const float *const *images, int count, int64_t row, int columns, int64_t column_step, int channels, uint8_t *marks,
    uint8_t *any, int32_t *occupied);
  /* met[channel of the group][filter] ← other than 0 where tap (i, j) joins an element of x to one of y, both of one
   * image, that differ from zero, or may do so; what was not 0 stays. Returns SB_FFT_MET: all are; SB_FFT_OPEN: not all
   * are; SB_FFT_PADDING: the tap meets nothing but padding in any image. */
  int (*meet)(const sb_fft_occupancy *, int64_t i, int64_t j, uint8_t *met);
} sb_fft_kernels;

#define SB_FFT_MET 0
#define SB_FFT_OPEN 1
#define SB_FFT_PADDING 2

/* The kernels called `name`: avx512, avx2, else those for any CPU. */
const sb_fft_kernels *sb_fft_kernels_named(const char *name);

#endif
