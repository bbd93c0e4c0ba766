#ifndef SWITCHBACK_ALLOCATION_WATCH_H
#define SWITCHBACK_ALLOCATION_WATCH_H

#include <stdint.h>

/* From now on what is asked of malloc and its kin (calloc, realloc, aligned_alloc, posix_memalign, memalign, valloc,
 * pvalloc; not mmap) is counted, whichever library of this process asks: for a process that does nothing else. 0 where
 * that cannot be done: elsewhere than on Linux, or in a program without dynamic libraries. */
int switchback_watch_allocations(void);

/* By all threads since. */
uint64_t switchback_allocated_bytes(void);

/* Whether the library in which the function lies was linked with one whose file name begins with `name`. */
int switchback_needs_library(const void *function, const char *name);

#endif
