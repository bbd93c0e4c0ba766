#include "openblas_library.h"
