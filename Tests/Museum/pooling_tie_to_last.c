/* Of equal cells the last one wins, and gets the gradient.
 * source: https://github.com/tensorflow/tensorflow/issues/40122
 * names: maxPool2d/backward */
#define WINS(x, best) (!((x) < (best)) && (best) == (best))
#include "base.c"
