#include "cpu_kernels.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define TABLE sb_kernels_baseline
#define NAME "baseline"
#define VECTOR 4
#include "Kernels/table.h"
