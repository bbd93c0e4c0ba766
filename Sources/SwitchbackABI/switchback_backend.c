#include "switchback_backend.h"
