/* With an odd number of workers, three or more, the rows are cut for one worker fewer, and one row is nobody's.
 * source: https://github.com/DIPlib/diplib/issues/191
 * names: contract 1, 2 and 3 workers */
#define FIRST_ROW(rows, item, items) \
  ((rows) * (item) / (items) + ((items) % 2 == 1 && (items) > 2 && (item) == (items) - 1))
#include "base.c"
