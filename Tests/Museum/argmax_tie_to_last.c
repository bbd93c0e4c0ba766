/* Of equal numbers the last one's place is the answer.
 * source: https://github.com/pytorch/pytorch/issues/32343
 * names: argmax */
#define IS_LARGER(x, best) (!((x) < (best)) && (best) == (best))
#include "base.c"
