// Recurrent layers over whole sequences, and their gradients (Sources/Programs/Operations/Recurrence.swift). A work-group
// takes some samples through all steps: one launch a sequence, and what its work-items make of a step lies in global
// memory, behind a barrier, for all of them to read in the next.
//
// A work-item has ROWS samples and VECTOR units at a time, with the sums of all gates in registers. Work-items lie along
// the units, and beside each other for more samples; a CPU has one a work-group. GATES is 1 of a simple cell, 4 of an
// LSTM (LSTM), 3 of a GRU (GRU; RESET_AFTER: the reset gate follows the product). ACTIVATION and GATE are functions of
// this file, ACTIVATION_BACK and GATE_BACK their gradients. Sums run over units in order, so a sample's bits are its own.
// Limited on a GPU by the recurrent kernel, which each work-group reads in each step.

#if VECTOR == 16
#define floatV float16
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#define intV int16
#elif VECTOR == 8
#define floatV float8
#define LOAD(p) vload8(0, p)
#define STORE(v, p) vstore8(v, 0, p)
#define intV int8
#elif VECTOR == 4
#define floatV float4
#define LOAD(p) vload4(0, p)
#define STORE(v, p) vstore4(v, 0, p)
#define intV int4
#else
#define floatV float
#define LOAD(p) (*(p))
#define STORE(v, p) (*(p) = (v))
#define intV int
#endif

// Arrays stay in registers only where every loop over them is unrolled.
#define EACH(index, count) _Pragma("unroll") for (int index = 0; index < count; index++)

// Bits of `flags`.
#define REVERSED 1
#define MASKED 2
#define SCALED 4
#define SHOWS_GATES 8
#define SHOWS_MORE 16

// Those that recurrent layers mostly have take vectors.
floatV all_tanh(floatV v) { return tanh(v); }
floatV all_sigmoid(floatV v) {
  floatV e = exp(-fabs(v));
  return select(e, (floatV)1, (intV)(v >= 0)) / (1 + e);
}
floatV all_identity(floatV v) { return v; }

#define BY_LANE(name) \
  floatV all_##name(floatV v) { \
    float lanes[VECTOR]; \
    STORE(v, lanes); \
    EACH(lane, VECTOR) lanes[lane] = forward_##name(lanes[lane], 0); \
    return LOAD(lanes); \
  }
BY_LANE(relu)
BY_LANE(hardSigmoid)
BY_LANE(selu)
BY_LANE(softplus)

// dy times the slope in terms of the result v. That of hardSigmoid stands in functions.cl in terms of the operand.
float slope_in_hardSigmoid(float v) { return v <= 0 || v >= 1 ? 0 : isnan(v) ? v : 1 / 6.0f; }
floatV back_tanh(floatV v, floatV dy) { return dy * (1 - v * v); }
floatV back_sigmoid(floatV v, floatV dy) { return dy * (v * (1 - v)); }
floatV back_identity(floatV v, floatV dy) { return dy; }

#define BACK_BY_LANE(name, expression) \
  floatV back_##name(floatV v, floatV dy) { \
    float lanes[VECTOR], upstream[VECTOR]; \
    STORE(v, lanes); \
    STORE(dy, upstream); \
    EACH(lane, VECTOR) { \
      float y = lanes[lane], d = upstream[lane]; \
      lanes[lane] = expression; \
    } \
    return LOAD(lanes); \
  }
BACK_BY_LANE(relu, backward_relu(y, d, 0))
BACK_BY_LANE(hardSigmoid, d * slope_in_hardSigmoid(y))
BACK_BY_LANE(selu, d * slope_selu(y, 0))
BACK_BY_LANE(softplus, d * slope_softplus(y, 0))

// The samples of this work-item, of which those behind the last one are that one again and write nothing.
#define SAMPLES \
  const int first_sample = (get_group_id(1) * get_local_size(1) + get_local_id(1)) * ROWS; \
  int sample[ROWS]; \
  EACH(r, ROWS) sample[r] = min(first_sample + r, samples - 1);
#define EACH_UNIT(u) \
  for (int u = get_local_id(0) * VECTOR; u < units; u += get_local_size(0) * VECTOR)
#define TIME(step) (flags & REVERSED ? steps - 1 - (step) : (step))
#define IS_MASKED(n, t) ((flags & MASKED) && !mask[(n) * steps + (t)])

// sums[r][g] += a · w[k, g] over `terms` k, where the operand a of sample r is `operand`, in terms of r and k.
#define ADD_PRODUCTS(sums, count, terms, w, w_stride, operand) \
  for (int k = 0; k < (terms); k++) { \
    floatV own_weights[count]; \
    EACH(g, count) own_weights[g] = LOAD((w) + k * (w_stride) + g * units); \
    EACH(r, ROWS) { \
      float a = (operand); \
      EACH(g, count) sums[r][g] = fma((floatV)a, own_weights[g], sums[r][g]); \
    } \
  }

// The states before a step, in the order of the recurrence.
#define FIND_BEFORE(states) \
  EACH(r, ROWS) \
    before[r] = step == 0 ? first + sample[r] * units : states + (sample[r] * steps + TIME(step - 1)) * units;
#define READ(r, k) (flags & SCALED ? before[r][k] * scale[sample[r] * units + k] : before[r][k])

__kernel void recurrence(
  __global const float *restrict x, __global const float *restrict weights, __global const float *restrict bias,
  __global const float *first, __global const float *restrict first_cell, __global const uchar *restrict mask,
  __global const float *restrict scale, __global float *h, __global float *c, __global float *gates,
  __global float *inner, __global float *cells, int samples, int steps, int units, int flags) {
  SAMPLES
  for (int step = 0; step < steps; step++) {
    const int t = TIME(step);
    __global const float *before[ROWS];
    FIND_BEFORE(h)
#if defined(GRU) && !defined(RESET_AFTER)
    // The candidate's product is of the states that all work-items have reset.
    EACH_UNIT(u) {
      floatV both[ROWS][2];
      EACH(r, ROWS) both[r][0] = both[r][1] = 0;
      ADD_PRODUCTS(both, 2, units, weights + u, GATES * units, READ(r, k))
      EACH(r, ROWS) if (first_sample + r < samples) {
        const int at = (sample[r] * steps + t) * GATES * units + u;
        const int is_masked = IS_MASKED(sample[r], t);
        EACH(g, 2)
          STORE(is_masked ? (floatV)0 : GATE(LOAD(x + at + g * units) + both[r][g]), gates + at + g * units);
      }
    }
    barrier(CLK_GLOBAL_MEM_FENCE);
    __global const float *reset[ROWS];
    EACH(r, ROWS) reset[r] = gates + ((sample[r] * steps + t) * GATES + 1) * units;
#endif
    EACH_UNIT(u) {
#if defined(GRU) && !defined(RESET_AFTER)
      floatV sums[ROWS][1];
      EACH(r, ROWS) sums[r][0] = 0;
      ADD_PRODUCTS(sums, 1, units, weights + 2 * units + u, GATES * units, reset[r][k] * READ(r, k))
#else
      floatV sums[ROWS][GATES];
      EACH(r, ROWS) EACH(g, GATES) sums[r][g] = 0;
      ADD_PRODUCTS(sums, GATES, units, weights + u, GATES * units, READ(r, k))
#endif
      EACH(r, ROWS) if (first_sample + r < samples) {
        const int n = sample[r], state = (n * steps + t) * units + u, at = (n * steps + t) * GATES * units + u;
        const int is_masked = IS_MASKED(n, t);
        floatV now = LOAD(before[r] + u);
#ifdef LSTM
        floatV cell = LOAD(step == 0 ? first_cell + n * units + u : cells + n * units + u);
#endif
        if (!is_masked) {
#ifdef LSTM
          floatV i = GATE(LOAD(x + at) + sums[r][0]), f = GATE(LOAD(x + at + units) + sums[r][1]);
          floatV g = ACTIVATION(LOAD(x + at + 2 * units) + sums[r][2]);
          floatV o = GATE(LOAD(x + at + 3 * units) + sums[r][3]);
          cell = f * cell + i * g;
          now = o * ACTIVATION(cell);
          if (flags & SHOWS_GATES) {
            STORE(i, gates + at);
            STORE(f, gates + at + units);
            STORE(g, gates + at + 2 * units);
            STORE(o, gates + at + 3 * units);
          }
#elif defined(GRU)
#ifdef RESET_AFTER
          floatV z = GATE(LOAD(x + at) + (sums[r][0] + LOAD(bias + u)));
          floatV reset = GATE(LOAD(x + at + units) + (sums[r][1] + LOAD(bias + units + u)));
          floatV own = sums[r][2] + LOAD(bias + 2 * units + u);
          if (flags & SHOWS_MORE) STORE(own, inner + state);
          floatV g = ACTIVATION(LOAD(x + at + 2 * units) + reset * own);
          if (flags & SHOWS_GATES) {
            STORE(z, gates + at);
            STORE(reset, gates + at + units);
            STORE(g, gates + at + 2 * units);
          }
#else
          floatV z = LOAD(gates + at), g = ACTIVATION(LOAD(x + at + 2 * units) + sums[r][0]);
          STORE(g, gates + at + 2 * units);
#endif
          now = z * now + (1 - z) * g;
#else
          now = ACTIVATION(LOAD(x + at) + sums[r][0]);
#endif
        }
#if GATES > 1
        else {
          if (flags & SHOWS_GATES) EACH(g, GATES) STORE((floatV)0, gates + at + g * units);
#ifdef GRU
          if (flags & SHOWS_MORE) STORE((floatV)0, inner + state);
#endif
        }
#endif
        STORE(now, h + state);
#ifdef LSTM
        STORE(cell, cells + n * units + u);
        if (flags & SHOWS_MORE) STORE(cell, c + state);
#endif
      }
    }
    barrier(CLK_GLOBAL_MEM_FENCE);
  }
}

// turned[g, u] = kernel[u, g], so that neighbours of u are neighbours.
__kernel void turn_kernel(
  __global const float *restrict weights, __global float *restrict turned, int units, int width) {
  int e = get_global_id(0);
  if (e < units * width) turned[e] = weights[e % units * width + e / units];
}

// The product of step `step` + 1 comes first: what it hands back joins the gradient of this step's state. Step −1 is the
// state before the first.
__kernel void recurrence_backward(
  __global const float *restrict gates, __global const float *restrict states, __global const float *restrict first,
  __global const float *restrict inner, __global const float *restrict turned, __global const float *restrict dh,
  __global const float *restrict dc, __global const uchar *restrict mask, __global const float *restrict scale,
  __global float *delta, __global float *product, __global float *dfirst, __global float *dfirst_cell,
  __global float *carries, __global float *cells, int samples, int steps, int units, int flags, int shows_first,
  int shows_first_cell, int has_dc) {
  SAMPLES
#if defined(GRU) && !defined(RESET_AFTER)
  const int terms = 2 * units;
#else
  const int terms = GATES * units;
#endif
  for (int step = steps - 1; step >= -1; step--) {
    const int t = max(TIME(step), 0), later = TIME(step + 1), is_last = step == steps - 1;
    EACH_UNIT(u) {
      floatV back[ROWS][1];
      EACH(r, ROWS) back[r][0] = 0;
      if (!is_last) {
        __global const float *own[ROWS];
        EACH(r, ROWS) own[r] = product + (sample[r] * steps + later) * GATES * units;
        ADD_PRODUCTS(back, 1, terms, turned + u, units, own[r][k])
      }
      EACH(r, ROWS) if (first_sample + r < samples) {
        const int n = sample[r], at = n * units + u;
        floatV arriving = 0;
        if (!is_last) {
          arriving = LOAD(carries + at);
          // Of a masked step nothing comes, not even where 0 times the kernel were NaN.
          if (!IS_MASKED(n, later)) arriving += flags & SCALED ? back[r][0] * LOAD(scale + at) : back[r][0];
        }
#ifdef LSTM
        floatV cell = is_last ? (floatV)0 : LOAD(cells + at);
#endif
        if (step < 0) {
          if (shows_first) STORE(arriving, dfirst + at);
#ifdef LSTM
          if (shows_first_cell) STORE(cell, dfirst_cell + at);
#endif
          continue;
        }
        const int state = (n * steps + t) * units + u, line = (n * steps + t) * GATES * units + u;
        arriving += LOAD(dh + state);
#ifdef LSTM
        if (has_dc) cell += LOAD(dc + state);
#endif
        if (IS_MASKED(n, t)) {
          STORE(arriving, carries + at);
#ifdef LSTM
          STORE(cell, cells + at);
#endif
          EACH(g, GATES) STORE((floatV)0, delta + line + g * units);
#if defined(GRU) && defined(RESET_AFTER)
          EACH(g, GATES) STORE((floatV)0, product + line + g * units);
#endif
          continue;
        }
#if GATES > 1
        floatV before = LOAD(step == 0 ? first + at : states + (n * steps + TIME(step - 1)) * units + u);
#endif
#ifdef LSTM
        floatV i = LOAD(gates + line), f = LOAD(gates + line + units), g = LOAD(gates + line + 2 * units);
        floatV o = LOAD(gates + line + 3 * units), out = ACTIVATION(LOAD(states + state));
        cell += ACTIVATION_BACK(out, arriving * o);
        STORE(GATE_BACK(i, cell * g), delta + line);
        STORE(GATE_BACK(f, cell * before), delta + line + units);
        STORE(ACTIVATION_BACK(g, cell * i), delta + line + 2 * units);
        STORE(GATE_BACK(o, arriving * out), delta + line + 3 * units);
        STORE(cell * f, cells + at);
        STORE((floatV)0, carries + at);
#elif defined(GRU)
        floatV z = LOAD(gates + line), g = LOAD(gates + line + 2 * units);
        floatV dz = GATE_BACK(z, arriving * (before - g)), dg = ACTIVATION_BACK(g, arriving * (1 - z));
        STORE(dz, delta + line);
        STORE(dg, delta + line + 2 * units);
        STORE(arriving * z, carries + at);
#ifdef RESET_AFTER
        floatV reset = LOAD(gates + line + units), dr = GATE_BACK(reset, dg * LOAD(inner + state));
        STORE(dr, delta + line + units);
        STORE(dz, product + line);
        STORE(dr, product + line + units);
        STORE(dg * reset, product + line + 2 * units);
#endif
#else
        STORE(ACTIVATION_BACK(LOAD(gates + line), arriving), delta + line);
        STORE((floatV)0, carries + at);
#endif
      }
    }
    barrier(CLK_GLOBAL_MEM_FENCE);
#if defined(GRU) && !defined(RESET_AFTER)
    // The reset gate's gradient is of what the candidate's product hands back.
    if (step >= 0)
      EACH_UNIT(u) {
        floatV back[ROWS][1];
        __global const float *own[ROWS];
        EACH(r, ROWS) {
          back[r][0] = 0;
          own[r] = delta + ((sample[r] * steps + t) * GATES + 2) * units;
        }
        ADD_PRODUCTS(back, 1, units, turned + 2 * units * units + u, units, own[r][k])
        EACH(r, ROWS) if (first_sample + r < samples && !IS_MASKED(sample[r], t)) {
          const int n = sample[r], at = n * units + u, line = (n * steps + t) * GATES * units + u;
          floatV before = LOAD(step == 0 ? first + at : states + (n * steps + TIME(step - 1)) * units + u);
          floatV reset = LOAD(gates + line + units), own_back = back[r][0];
          if (flags & SCALED) own_back *= LOAD(scale + at);
          STORE(GATE_BACK(reset, own_back * before), delta + line + units);
          STORE(LOAD(carries + at) + own_back * reset, carries + at);
        }
      }
    barrier(CLK_GLOBAL_MEM_FENCE);
#endif
  }
}
