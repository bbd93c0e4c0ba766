/* Optimizers' updates in place: SGD, RMSprop, Adagrad, Adam, with decoupled weight decay.
 *
 * Algorithm: Keras's forms of the papers' updates (Sources/Programs/Operations/OptimizerUpdate.swift has the formulas and
 * their sources); slots that an optimizer lacks are null.
 * Bound: what OptimizerUpdate.swift states. Limited by memory: constants are copied, operands never overlap and roots set
 * no errno, so that the compiler makes vector loops (3 ns an element without, 0.1 with them, one core of Zen 4). */
#define UPDATE(step) { \
  const sb_update constants = *fixed, *u = &constants; \
  if (delta) \
    for (int64_t e = 0; e < count; e++) { \
      float old = w[e], s = (step); \
      float new = old - u->rate * u->decay * old + s; \
      w[e] = new; \
      delta[e] = new - old; \
    } \
  else \
    for (int64_t e = 0; e < count; e++) { \
      float old = w[e], s = (step); \
      w[e] = old - u->rate * u->decay * old + s; \
    } \
}
#define ARRAY float *restrict
#define ROOT(x) __builtin_elementwise_sqrt(x)

static inline float sgd_step(const sb_update *u, float g, float *m) {
  *m = u->momentum * *m - u->rate * g;
  return u->nesterov ? u->momentum * *m - u->rate * g : *m;
}
static void sgd(const sb_update *fixed, int64_t count, ARRAY w, const ARRAY g, ARRAY m, ARRAY delta) {
  if (m) UPDATE(sgd_step(u, g[e], &m[e])) else UPDATE(-u->rate * g[e])
}

static inline float rmsprop_step(const sb_update *u, float g, float *v, float *a, float *m) {
  float variance = *v = u->rho * *v + u->share1 * g * g;
  if (a) {
    *a = u->rho * *a + u->share1 * g;
    variance -= *a * *a;
    variance = variance < 0 ? 0 : variance;
  }
  float increment = u->rate * g / ROOT(variance + u->epsilon);
  if (!m) return -increment;
  *m = u->momentum * *m + increment;
  return -*m;
}
static void rmsprop(
  const sb_update *fixed, int64_t count, ARRAY w, const ARRAY g, ARRAY v, ARRAY a, ARRAY m, ARRAY delta) {
  if (a || m) UPDATE(rmsprop_step(u, g[e], &v[e], a ? &a[e] : NULL, m ? &m[e] : NULL))
  else UPDATE(rmsprop_step(u, g[e], &v[e], NULL, NULL))
}

static inline float adagrad_step(const sb_update *u, float g, float *a) {
  *a += g * g;
  return -u->rate * g / ROOT(*a + u->epsilon);
}
static void adagrad(const sb_update *fixed, int64_t count, ARRAY w, const ARRAY g, ARRAY a, ARRAY delta) {
  UPDATE(adagrad_step(u, g[e], &a[e]))
}

static inline float adam_step(const sb_update *u, float g, float *m, float *v) {
  *m += (g - *m) * u->share1;
  *v += (g * g - *v) * u->share2;
  return -u->rate * u->correction * *m / (ROOT(*v) + u->epsilon);
}
static void adam(const sb_update *fixed, int64_t count, ARRAY w, const ARRAY g, ARRAY m, ARRAY v, ARRAY delta) {
  UPDATE(adam_step(u, g[e], &m[e], &v[e]))
}
