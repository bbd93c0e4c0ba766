#ifndef SWITCHBACK_ALLOCATION_WATCH_H
#define SWITCHBACK_ALLOCATION_WATCH_H

#include <stdint.h>

/* From now on every call of malloc and its kin is counted, whichever library of this process makes it: for a process that
 * does nothing else. 0 where that cannot be done: elsewhere than on Linux, or in a program without dynamic libraries. */
int switchback_watch_allocations(void);

/* Calls on all threads since. */
uint64_t switchback_allocations(void);

#endif
