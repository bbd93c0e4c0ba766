/* The limit of workspace is not looked at.
 * source: planted: a rule of the contract
 * names: contract keeps to a limit of workspace */
#define SLOTS_WITHIN(host, bytes, limit) SLOTS
#include "base.c"
