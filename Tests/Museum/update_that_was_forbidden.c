/* Weights are updated though a gradient was not finite and the update is forbidden.
 * source: https://github.com/pytorch/pytorch/pull/186360
 * names: sgdUpdate */
#define IS_ALLOWED(allow) ((void)(allow), 1)
#include "base.c"
