#define _GNU_SOURCE
#include "number_text.h"

#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

static locale_t locale;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make(void) { locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

float switchback_parse_float(const char *text, char **end) {
  pthread_once(&once, make);
  return locale ? strtof_l(text, end, locale) : strtof(text, end);
}

double switchback_parse_double(const char *text, char **end) {
  pthread_once(&once, make);
  return locale ? strtod_l(text, end, locale) : strtod(text, end);
}
