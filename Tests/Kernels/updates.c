/* Optimizers' updates with each combination of slots, in Float64 by their formulas. */
#include "check.h"

enum { COUNT = 261 };

typedef struct {
  double w, m, v, a, change;
} state;

static state updated(const sb_update *u, int optimizer, int form, state s, double g) {
  const double rate = u->rate, decayed = s.w - rate * u->decay * s.w;
  double step = 0;
  if (optimizer == 0) {
    s.m = u->momentum * s.m - rate * g;
    step = form & 1 ? u->nesterov ? u->momentum * s.m - rate * g : s.m : -rate * g;
  } else if (optimizer == 1) {
    s.v = u->rho * s.v + u->share1 * g * g;
    s.a = u->rho * s.a + u->share1 * g;
    double variance = form & 2 ? fmax(s.v - s.a * s.a, 0) : s.v, increment = rate * g / sqrt(variance + u->epsilon);
    s.m = u->momentum * s.m + increment;
    step = form & 1 ? -s.m : -increment;
  } else if (optimizer == 2) {
    s.a += g * g;
    step = -rate * g / sqrt(s.a + u->epsilon);
  } else {
    s.m += (g - s.m) * u->share1;
    s.v += (g * g - s.v) * u->share2;
    step = -rate * u->correction * s.m / (sqrt(s.v) + u->epsilon);
  }
  s.change = decayed + step - s.w;
  s.w = decayed + step;
  return s;
}

static void check(const sb_kernels *k, int optimizer, int form, int64_t count) {
  const sb_update u = {
    .rate = 0.05f, .correction = 0.7f, .decay = form & 4 ? 0.01f : 0, .momentum = 0.9f, .rho = 0.75f, .epsilon = 1e-3f,
    .share1 = 0.25f, .share2 = 0.125f, .nesterov = form & 2};
  float *w = uniform(count, -2, 2), *g = uniform(count, -2, 2), *m = uniform(count, -1, 1), *v = uniform(count, 4, 5);
  float *a = optimizer == 1 ? uniform(count, -1, 1) : uniform(count, 0, 1), *delta = form & 8 ? floats(count) : NULL;
  if (count > 3) g[3] = NAN;
  double *exact[5];
  for (int i = 0; i < 5; i++) exact[i] = doubles(count);
  for (int64_t e = 0; e < count; e++) {
    state s = updated(&u, optimizer, form, (state){w[e], m[e], v[e], a[e], 0}, g[e]);
    exact[0][e] = s.w, exact[1][e] = s.m, exact[2][e] = s.v, exact[3][e] = s.a, exact[4][e] = s.change;
  }
  float *own_m = optimizer == 3 || form & 1 ? m : NULL, *own_a = optimizer == 2 || form & 2 ? a : NULL;
  if (optimizer == 0) k->sgd(&u, count, w, g, own_m, delta);
  if (optimizer == 1) k->rmsprop(&u, count, w, g, v, own_a, own_m, delta);
  if (optimizer == 2) k->adagrad(&u, count, w, g, a, delta);
  if (optimizer == 3) k->adam(&u, count, w, g, m, v, delta);
  /* As `OptimizerUpdate` states it: 4 units of the largest operand or result. */
  expect_ulps_of_largest("parameter", count, w, exact[0], 4, 2);
  if (own_m && optimizer != 2) expect_ulps_of_largest("momentum", count, own_m, exact[1], 4, 2);
  if (optimizer == 1 || optimizer == 3) expect_ulps_of_largest("velocity", count, v, exact[2], 4, 5);
  if (own_a && (optimizer == 1 || optimizer == 2)) expect_ulps_of_largest("average", count, a, exact[3], 4, 2);
  if (delta) expect_ulps_of_largest("change", count, delta, exact[4], 4, 2);
}

void test_updates(const sb_kernels *k) {
  static const char *const names[] = {"sgd", "rmsprop", "adagrad", "adam"};
  static const int counts[] = {0, 1, 7, COUNT};
  for (int optimizer = 0; optimizer < 4; optimizer++)
    for (int form = 0; form < 16; form++)
      for (int i = 0; i < 4; i++) {
        about("%s, %s: %d elements, form %d", k->name, names[optimizer], counts[i], form);
        check(k, optimizer, form, counts[i]);
        release();
      }
}
