/* A sum over the batch is cut into as many parts as there are workers: another machine, other bits.
 * source: https://github.com/SauersML/gam/pull/3083
 * names: contract 1, 2 and 3 workers */
#define SLOTS_WITHIN(host, bytes, limit) ((limit) >= (host)->workers * (bytes) ? (host)->workers : 0)
#include "base.c"
