/* Exponentials are taken of the logits as they are: beyond 88 they are infinite.
 * source: https://github.com/deeplearning4j/deeplearning4j/issues/6039
 * names: softmax */
#define LARGEST(x) (0 * (x))
#include "base.c"
