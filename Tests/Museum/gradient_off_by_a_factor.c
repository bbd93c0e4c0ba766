/* The loss is right, its gradient is half of what it is: training goes on, more slowly.
 * source: https://github.com/davisking/dlib/pull/2518
 * names: softmaxCrossEntropy/backward */
#define LOSS_GRADIENT(s, x) ((x) / 2)
#include "base.c"
