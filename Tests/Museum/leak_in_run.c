/* Every run takes memory that nobody gives back.
 * source: planted: leaks are everywhere, and seldom have an issue of a kernel's own
 * names: contract memory does not grow with runs */
#include <stdlib.h>

static void take(void) {
  char *volatile memory = malloc(1024);
  if (memory) memory[0] = 1;
}
#define RUN_BEGINS(device) take()
#include "base.c"
