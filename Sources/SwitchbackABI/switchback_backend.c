#include "switchback_backend.h"

/* These sit in arrays: their sizes are part of the contract. */
_Static_assert(sizeof(sb_type) == 80, "frozen");
_Static_assert(sizeof(sb_value) == 88, "frozen");
_Static_assert(sizeof(sb_attribute) == 32, "frozen");
_Static_assert(sizeof(sb_view) == 32, "frozen");
_Static_assert(sizeof(sb_verdict) == 24, "frozen");
