/* Height and width change places where the windows of a pooling's gradient are counted: those of the longer axis that
 * lie beyond the shorter one are left out. Squares are right.
 * source: https://github.com/pytorch/pytorch/pull/36820
 * names: maxPool2d/backward */
#define IS_SPREAD(s, row, column) ((row) < (s)->grid[2] && (column) < (s)->grid[1])
#include "base.c"
