/* Groups of more than one channel read the channels of the first two in turn.
 * source: https://github.com/Tencent/ncnn/issues/1581
 * names: conv2d */
#define GROUP_CHANNEL(s, group) \
  ((s)->image[3] / (s)->groups > 1 ? (group) % 2 * ((s)->image[3] / (s)->groups) : (group))
#include "base.c"
