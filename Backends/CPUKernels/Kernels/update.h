/* Optimizers' updates in place: SGD, RMSprop, Adagrad, Adam, with decoupled weight decay.
 *
 * Algorithm: Keras's forms of the papers' updates (Sources/Programs/Operations/OptimizerUpdate.swift has the formulas and
 * their sources); slots that an optimizer lacks are null.
 * Bound: what OptimizerUpdate.swift states. Limited by memory. */
#define UPDATE(step) \
  for (int64_t e = 0; e < count; e++) { \
    float old = w[e], s = (step); \
    float new = old - u->rate * u->decay * old + s; \
    w[e] = new; \
    if (delta) delta[e] = new - old; \
  }

static inline float sgd_step(const sb_update *u, float g, float *m) {
  *m = u->momentum * *m - u->rate * g;
  return u->nesterov ? u->momentum * *m - u->rate * g : *m;
}
static void sgd(const sb_update *u, int64_t count, float *w, const float *g, float *m, float *delta) {
  if (m) UPDATE(sgd_step(u, g[e], &m[e])) else UPDATE(-u->rate * g[e])
}

static inline float rmsprop_step(const sb_update *u, float g, float *v, float *a, float *m) {
  float variance = *v = u->rho * *v + u->share1 * g * g;
  if (a) {
    *a = u->rho * *a + u->share1 * g;
    variance -= *a * *a;
    variance = variance < 0 ? 0 : variance;
  }
  float increment = u->rate * g / sqrtf(variance + u->epsilon);
  if (!m) return -increment;
  *m = u->momentum * *m + increment;
  return -*m;
}
static void rmsprop(
  const sb_update *u, int64_t count, float *w, const float *g, float *v, float *a, float *m, float *delta) {
  if (a || m) UPDATE(rmsprop_step(u, g[e], &v[e], a ? &a[e] : NULL, m ? &m[e] : NULL))
  else UPDATE(rmsprop_step(u, g[e], &v[e], NULL, NULL))
}

static inline float adagrad_step(const sb_update *u, float g, float *a) {
  *a += g * g;
  return -u->rate * g / sqrtf(*a + u->epsilon);
}
static void adagrad(const sb_update *u, int64_t count, float *w, const float *g, float *a, float *delta) {
  UPDATE(adagrad_step(u, g[e], &a[e]))
}

static inline float adam_step(const sb_update *u, float g, float *m, float *v) {
  *m += (g - *m) * u->share1;
  *v += (g * g - *v) * u->share2;
  return -u->rate * u->correction * *m / (sqrtf(*v) + u->epsilon);
}
static void adam(const sb_update *u, int64_t count, float *w, const float *g, float *m, float *v, float *delta) {
  UPDATE(adam_step(u, g[e], &m[e], &v[e]))
}
