#include "worker_pool.h"
