/* The groups of a convolution read each other's channels: the first those of the last.
 * source: https://github.com/pytorch/pytorch/issues/19912
 * names: conv2d */
#define GROUP_CHANNEL(s, group) (((s)->groups - 1 - (group)) * ((s)->image[3] / (s)->groups))
#include "base.c"
