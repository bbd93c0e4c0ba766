/* A filter is packed once: later steps of training multiply with the weights of the first.
 * source: https://github.com/ooples/AiDotNet.Tensors/pull/583
 * names: contract sees contents | conv2d */
#define IS_FRESH(generation, now) ((generation) != 0)
#include "base.c"
