/* An update of weights is made twice in a run.
 * source: https://github.com/mzolfaghari/ECO-pytorch/pull/1
 * names: sgdUpdate */
#define UPDATES 2
#include "base.c"
