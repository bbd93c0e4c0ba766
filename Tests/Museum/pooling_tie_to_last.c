/* Of equal cells the last one wins, and gets the gradient.
 * source: https://github.com/Theano/Theano/issues/4761
 * names: maxPool2d/backward */
#define WINS(x, best) (!((x) < (best)) && (best) == (best))
#include "base.c"
