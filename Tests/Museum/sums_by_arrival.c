/* Parts of a sum are added as workers arrive: other bits at every run.
 * source: https://github.com/ROCm/rocm-libraries/pull/10571
 * names: conv2d/backwardFilter | contract 1, 2 and 3 workers */
#include "base.h"
#include <stdatomic.h>

static atomic_uint arrivals;
/* Where an addition begins is a matter of who came before. */
static inline void add_from_arrival(const struct work *w, int64_t e, uint32_t worker) {
  (void)worker;
  unsigned first = e % 8 ? 0 : atomic_fetch_add(&arrivals, 1);
  float sum = 0, *parts = w->run->workspace.host;
  for (uint64_t i = 0; i < w->s->slots; i++) sum += parts[(int64_t)((i + first) % w->s->slots) * w->rows + e];
  at(w, w->s->out[0])[e] = sum;
}
#define ADD_SLOTS add_from_arrival
#include "base.c"
