/* Goals, in order: no lost wake-up; a fork of spinning workers well below a microsecond; no core burnt when idle, or
 * while the worker that is waited for has none.
 *
 * Waking a thread that sleeps in the kernel costs 50 to 230 microseconds on virtual machines, a spinning one 0.2. So
 * a worker spins for about a millisecond (a training loop forks more often than that), then sleeps on a futex. After the
 * first microseconds it offers its core at every turn: where each worker has one, that costs nothing; where another
 * process or worker wants it, it is not spun away. */
#define _GNU_SOURCE
#include "worker_pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
static inline void relax(void) { _mm_pause(); }
uint32_t sb_float_mode(void) { return _mm_getcsr() & 0xFFC0u; /* without the sticky exception flags */ }
void sb_set_float_mode(uint32_t mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__)
static inline void relax(void) { __asm__ volatile("yield"); }
uint32_t sb_float_mode(void) {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return (uint32_t)mode;
}
void sb_set_float_mode(uint32_t mode) { __asm__ volatile("msr fpcr, %0" ::"r"((uint64_t)mode)); }
#else
static inline void relax(void) {}
uint32_t sb_float_mode(void) { return 0; }
void sb_set_float_mode(uint32_t mode) { (void)mode; }
#endif

enum { EAGER = 100, SPINS = 20000, A_TURN = 10, SCRATCH_ALIGNMENT = 64 };

static void wait_while(_Atomic uint32_t *word, uint32_t value) {
  for (int i = 0; i < SPINS; i++) {
    if (atomic_load_explicit(word, memory_order_acquire) != value) return;
    if (i >= EAGER && i % A_TURN == 0)
      sched_yield();
    else
      relax();
  }
  while (atomic_load_explicit(word, memory_order_acquire) == value)
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake_all(_Atomic uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0); }

struct sb_team {
  uint32_t workers;
  _Atomic uint32_t arrived, phase;
};

typedef struct {
  char *bytes;
  uint64_t capacity, used;
  _Atomic uint64_t taken; /* of every block so far */
  char *retired[32]; /* blocks outgrown during this fork: still in use until it ends */
  uint32_t retired_count;
} scratch;

typedef struct {
  sb_pool *pool;
  uint32_t index;
  pthread_t thread;
  scratch scratch;
} __attribute__((aligned(128))) worker;

struct sb_pool {
  uint32_t workers, started;
  worker *members;
  void (*member)(void *, uint32_t, uint32_t, sb_team *);
  void *context;
  sb_team team;
  uint32_t float_mode;
  _Atomic uint32_t strayed; /* a worker that came back with another mode, or 0 */
  uint64_t forks;
  _Alignas(128) _Atomic uint32_t generation;
  _Alignas(128) _Atomic uint32_t running;
  _Atomic int stopping;
  pthread_mutex_t lock; /* one fork at a time: two devices may run in two threads */
};

/* Inside a fork: the worker that this thread is. Nested forks run inline. */
static _Thread_local worker *current;

static void reset(scratch *s) {
  for (uint32_t i = 0; i < s->retired_count; i++) free(s->retired[i]);
  s->retired_count = 0;
  s->used = 0;
}

static void work(worker *self) {
  sb_pool *pool = self->pool;
  current = self;
  pool->member(pool->context, self->index, pool->workers, &pool->team);
  current = NULL;
  reset(&self->scratch);
}

static void *serve(void *argument) {
  worker *self = argument;
  sb_pool *pool = self->pool;
  uint32_t seen = 0;
  for (;;) {
    wait_while(&pool->generation, seen);
    seen = atomic_load_explicit(&pool->generation, memory_order_acquire);
    if (atomic_load(&pool->stopping)) return NULL;
    sb_set_float_mode(pool->float_mode);
    work(self);
    if (sb_float_mode() != pool->float_mode) atomic_store_explicit(&pool->strayed, self->index, memory_order_relaxed);
    if (atomic_fetch_sub_explicit(&pool->running, 1, memory_order_acq_rel) == 1) wake_all(&pool->running);
  }
}

sb_pool *sb_pool_create(uint32_t workers) {
  if (workers < 1) workers = 1;
  sb_pool *pool = aligned_alloc(128, (sizeof(sb_pool) + 127) / 128 * 128);
  if (!pool) return NULL;
  memset(pool, 0, sizeof *pool);
  pool->members = aligned_alloc(128, sizeof(worker) * workers);
  if (!pool->members) {
    free(pool);
    return NULL;
  }
  memset(pool->members, 0, sizeof(worker) * workers);
  pool->workers = pool->team.workers = workers;
  pool->started = 1;
  pthread_mutex_init(&pool->lock, NULL);
  for (uint32_t i = 0; i < workers; i++) {
    pool->members[i].pool = pool;
    pool->members[i].index = i;
    if (i == 0) continue;
    if (pthread_create(&pool->members[i].thread, NULL, serve, &pool->members[i]) != 0) {
      sb_pool_destroy(pool);
      return NULL;
    }
    pool->started++;
  }
  return pool;
}

void sb_pool_destroy(sb_pool *pool) {
  if (!pool) return;
  atomic_store(&pool->stopping, 1);
  atomic_fetch_add_explicit(&pool->generation, 1, memory_order_release);
  wake_all(&pool->generation);
  for (uint32_t i = 1; i < pool->started; i++) pthread_join(pool->members[i].thread, NULL);
  for (uint32_t i = 0; i < pool->workers; i++) {
    reset(&pool->members[i].scratch);
    free(pool->members[i].scratch.bytes);
  }
  pthread_mutex_destroy(&pool->lock);
  free(pool->members);
  free(pool);
}

uint64_t sb_pool_forks(const sb_pool *pool) { return pool->forks; }

uint64_t sb_pool_scratch_taken(const sb_pool *pool) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < pool->workers; i++) sum += pool->members[i].scratch.taken;
  return sum;
}

uint32_t sb_pool_strayed(const sb_pool *pool) { return atomic_load_explicit(&pool->strayed, memory_order_relaxed); }

void sb_pool_team(void *self, void (*member)(void *, uint32_t, uint32_t, sb_team *), void *context) {
  sb_pool *pool = self;
  if (current) {
    sb_team alone = {.workers = 1};
    member(context, 0, 1, &alone);
    return;
  }
  pthread_mutex_lock(&pool->lock);
  pool->forks++;
  pool->member = member;
  pool->context = context;
  pool->float_mode = sb_float_mode();
  atomic_store_explicit(&pool->team.arrived, 0, memory_order_relaxed);
  atomic_store_explicit(&pool->running, pool->workers - 1, memory_order_relaxed);
  if (pool->workers > 1) {
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_release);
    wake_all(&pool->generation);
  }
  work(&pool->members[0]);
  for (uint32_t left; (left = atomic_load_explicit(&pool->running, memory_order_acquire)) != 0;)
    wait_while(&pool->running, left);
  pthread_mutex_unlock(&pool->lock);
}

void sb_pool_barrier(sb_team *team) {
  if (team->workers == 1) return;
  uint32_t phase = atomic_load_explicit(&team->phase, memory_order_acquire);
  if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) + 1 == team->workers) {
    atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&team->phase, 1, memory_order_release);
    wake_all(&team->phase);
  } else {
    wait_while(&team->phase, phase);
  }
}

typedef struct {
  uint32_t items;
  void (*item)(void *, uint32_t, uint32_t);
  void *context;
} loop;

static void run_loop(void *context, uint32_t index, uint32_t workers, sb_team *team) {
  (void)team;
  const loop *l = context;
  /* Item i goes to worker i·workers/items. */
  uint64_t first = ((uint64_t)index * l->items + workers - 1) / workers;
  uint64_t end = ((uint64_t)(index + 1) * l->items + workers - 1) / workers;
  for (uint64_t i = first; i < end; i++) l->item(l->context, (uint32_t)i, index);
}

void sb_pool_parallel(void *self, uint32_t items, void (*item)(void *, uint32_t, uint32_t), void *context) {
  sb_pool *pool = self;
  if (current) {
    for (uint32_t i = 0; i < items; i++) item(context, i, current->index);
    return;
  }
  if (items == 0) return;
  loop l = {items, item, context};
  sb_pool_team(pool, run_loop, &l);
}

void *sb_pool_scratch(void *self, uint32_t index, uint64_t bytes) {
  sb_pool *pool = self;
  if (index >= pool->workers) return NULL;
  /* A nested team counts its one member from 0, whichever worker it is. */
  scratch *s = current ? &current->scratch : &pool->members[index].scratch;
  bytes = (bytes + SCRATCH_ALIGNMENT - 1) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
  if (s->used + bytes > s->capacity) {
    uint64_t capacity = s->capacity * 2 > bytes ? s->capacity * 2 : bytes;
    if (s->bytes && s->retired_count == sizeof s->retired / sizeof *s->retired) return NULL;
    char *grown = aligned_alloc(SCRATCH_ALIGNMENT, capacity);
    if (!grown) return NULL;
    if (s->bytes) s->retired[s->retired_count++] = s->bytes;
    s->bytes = grown;
    s->capacity = capacity;
    s->taken += capacity;
    s->used = 0;
  }
  void *result = s->bytes + s->used;
  s->used += bytes;
  return result;
}
