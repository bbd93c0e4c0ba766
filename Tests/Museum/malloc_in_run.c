/* Every run takes memory from the allocator and gives it back.
 * source: planted: a rule of the contract
 * names: contract a run allocates nothing */
#include <stdlib.h>

static void take_and_give_back(void) {
  char *volatile memory = malloc(4096);
  if (memory) memory[0] = 1;
  free(memory);
}
#define RUN_BEGINS(device) take_and_give_back()
#include "base.c"
