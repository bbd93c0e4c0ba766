/* A mean divides by the number of all elements, not of those along its axes.
 * source: https://github.com/quantalea/AleaTK/pull/5
 * names: reduce mean */
#define MEAN_OF(s, count) ((count) * (s)->rows)
#include "base.c"
