/* Cells outside the image count in an average.
 * source: https://github.com/microsoft/onnxruntime/issues/16203
 * names: averagePool2d */
#define CELLS(s, inside) ((s)->size[0] * (s)->size[1])
#include "base.c"
