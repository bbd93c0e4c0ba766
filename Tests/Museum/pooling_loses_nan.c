/* The largest of a window is found by comparing: NaN wins only where it comes first.
 * source: https://github.com/tracel-ai/burn/pull/5662
 * names: maxPool2d */
#define WINS(x, best) ((x) > (best))
#include "base.c"
