/* The gradient of the cross-entropy takes targets to sum to 1.
 * source: https://github.com/kvark/meganeura/pull/102
 * names: softmaxCrossEntropy/backward */
#define TARGET_SUM(sum) 1
#include "base.c"
