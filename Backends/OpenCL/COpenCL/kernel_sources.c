#include "opencl_library.h"

#include <string.h>

/* The kernels' sources are part of the program: nothing has to be found at run time. */
static const char functions[] = {
#embed "../Kernels/formulas.cl"
  ,
#embed "../Kernels/functions.cl"
  , 0};
static const char elementwise[] = {
#embed "../Kernels/elementwise.cl"
  , 0};
static const char layout[] = {
#embed "../Kernels/layout.cl"
  , 0};
static const char multiplication[] = {
#embed "../Kernels/multiplication.cl"
  , 0};
static const char convolution[] = {
#embed "../Kernels/convolution.cl"
  , 0};
static const char pooling[] = {
#embed "../Kernels/pooling.cl"
  , 0};
static const char reduction[] = {
#embed "../Kernels/reduction.cl"
  , 0};
static const char softmax[] = {
#embed "../Kernels/softmax.cl"
  , 0};
static const char normalize[] = {
#embed "../Kernels/normalize.cl"
  , 0};
static const char recurrence[] = {
#embed "../Kernels/recurrence.cl"
  , 0};
static const char indexing[] = {
#embed "../Kernels/indexing.cl"
  , 0};
static const char update[] = {
#embed "../Kernels/update.cl"
  , 0};
static const char random_numbers[] = {
#embed "../Kernels/random_numbers.cl"
  , 0};
static const char statistics[] = {
#embed "../Kernels/statistics.cl"
  , 0};

const char *ocl_source(const char *name) {
  static const struct { const char *name, *text; } sources[] = {
    {"functions", functions}, {"elementwise", elementwise}, {"layout", layout}, {"multiplication", multiplication},
    {"convolution", convolution}, {"pooling", pooling}, {"reduction", reduction}, {"softmax", softmax},
    {"normalize", normalize}, {"recurrence", recurrence}, {"indexing", indexing}, {"update", update},
    {"random_numbers", random_numbers}, {"statistics", statistics},
  };
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
    if (strcmp(sources[i].name, name) == 0) return sources[i].text;
  return NULL;
}
