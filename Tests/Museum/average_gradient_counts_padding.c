/* An average leaves out padding, its gradient counts it.
 * source: planted: the other half of https://github.com/microsoft/onnxruntime/issues/16203
 * names: averagePool2d/backward */
#define MEAN_GRADIENT(s, dy, inside) ((dy) / (float)((s)->size[0] * (s)->size[1]))
#include "base.c"
