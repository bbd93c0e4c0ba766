/* The one pool of workers of the process: fork, join, barriers and scratch memory. */
#ifndef SWITCHBACK_WORKER_POOL_H
#define SWITCHBACK_WORKER_POOL_H

#include "switchback_backend.h"

typedef struct sb_pool sb_pool;

/* A pool of workers (the caller is worker 0 and `workers - 1` threads are started), or null where the system has no
 * more threads. Between forks a thread spins for about a millisecond, then sleeps. */
sb_pool *sb_pool_create(uint32_t workers);
void sb_pool_destroy(sb_pool *);

/* As in sb_host. */
void sb_pool_parallel(void *pool, uint32_t items, void (*item)(void *, uint32_t, uint32_t), void *context);
void sb_pool_team(void *pool, void (*member)(void *, uint32_t, uint32_t, sb_team *), void *context);
void sb_pool_barrier(sb_team *);
void *sb_pool_scratch(void *pool, uint32_t worker, uint64_t bytes);

/* How often the pool forked since it was made. */
uint64_t sb_pool_forks(const sb_pool *);

/* Bytes that it has asked of the system for scratch memory since it was made. */
uint64_t sb_pool_scratch_taken(const sb_pool *);

/* A worker whose work has left another floating-point mode than the caller's, since the pool was made; 0: none. Each fork
 * begins in the caller's mode again. */
uint32_t sb_pool_strayed(const sb_pool *);

/* How many cores this process may use: those of its affinity, or fewer where a control group limits its time. `root` is
 * "" (where tests have folders of their own with proc and sys). */
uint32_t sb_usable_cores(const char *root);

/* The floating-point control word of the calling thread; a plugin that changed it is found by comparing. */
uint32_t sb_float_mode(void);
void sb_set_float_mode(uint32_t);

#endif
