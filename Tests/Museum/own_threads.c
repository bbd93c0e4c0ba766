/* A thread of the backend's own is started by the first run and outlives it.
 * source: planted: a rule of the contract
 * names: contract leaves float mode, signal mask and locale as they were, and starts no threads */
#include <pthread.h>
#include <unistd.h>

static void *wait_for_ever(void *nothing) {
  for (;;) pause();
  return nothing;
}
static void start(void) {
  static pthread_t thread;
  if (!thread && pthread_create(&thread, 0, wait_for_ever, 0) == 0) pthread_detach(thread);
}
#define RUN_BEGINS(device) start()
#include "base.c"
