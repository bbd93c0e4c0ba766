/* Counts this process's calls of malloc and its like, thread by thread: linked into the tests, it stands before glibc's
 * own. Elsewhere, and under sanitizers, nothing is counted. */
#ifndef SWITCHBACK_ALLOCATION_COUNT_H
#define SWITCHBACK_ALLOCATION_COUNT_H

#include <stdint.h>

/* Whether allocations are counted here. */
int allocation_count_works(void);

/* How often the calling thread has allocated since it started. */
uint64_t allocation_count(void);

#endif
