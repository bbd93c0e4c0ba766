#define _GNU_SOURCE
#define CL_TARGET_OPENCL_VERSION 120
#include "opencl_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t launches, blocking, bytes_to_device, bytes_from_device, builds;

ocl_counts ocl_counts_now(void) {
  return (ocl_counts){launches, blocking, bytes_to_device, bytes_from_device, builds};
}

/* ---- Failing on demand ---- */

static pthread_mutex_t fail_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint32_t fail_in; /* calls until the failure; 0: none is planned */
static char fail_function[64];
static int32_t fail_code;

void ocl_fail(const char *function, uint32_t n, int32_t code) {
  pthread_mutex_lock(&fail_lock);
  snprintf(fail_function, sizeof fail_function, "%s", function);
  fail_code = code;
  fail_in = n;
  pthread_mutex_unlock(&fail_lock);
}

static _Atomic size_t work_group_limit; /* 0: the devices' own */

void ocl_limit_work_group(size_t most) { work_group_limit = most; }

#ifdef SWITCHBACK_OPENCL
#include <CL/cl.h>

static int32_t planned_failure(const char *function) {
  if (!fail_in) return CL_SUCCESS;
  int32_t code = CL_SUCCESS;
  pthread_mutex_lock(&fail_lock);
  if (fail_in && strcmp(function, fail_function) == 0 && --fail_in == 0) code = fail_code;
  pthread_mutex_unlock(&fail_lock);
  return code;
}

/* ---- The loader ---- */

#define FUNCTIONS(F) \
  F(clGetPlatformIDs) F(clGetPlatformInfo) F(clGetDeviceIDs) F(clGetDeviceInfo) F(clCreateContext) \
  F(clReleaseContext) F(clCreateCommandQueue) F(clReleaseCommandQueue) F(clCreateBuffer) F(clCreateSubBuffer) \
  F(clReleaseMemObject) F(clCreateProgramWithSource) F(clCreateProgramWithBinary) F(clBuildProgram) \
  F(clGetProgramBuildInfo) F(clGetProgramInfo) F(clReleaseProgram) F(clCreateKernel) F(clReleaseKernel) \
  F(clGetKernelWorkGroupInfo) F(clSetKernelArg) F(clEnqueueNDRangeKernel) F(clEnqueueWriteBuffer) F(clEnqueueReadBuffer) F(clEnqueueCopyBuffer) \
  F(clEnqueueFillBuffer) F(clEnqueueMapBuffer) F(clEnqueueUnmapMemObject) F(clFlush) F(clFinish) F(clWaitForEvents) F(clGetEventInfo) F(clGetEventProfilingInfo) \
  F(clReleaseEvent)

#define MEMBER(name) __typeof__(&name) name;
static struct { FUNCTIONS(MEMBER) } cl;
static char failure[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* "function:n:code" */
static void read_planned_failure(void) {
  const char *text = getenv("SWITCHBACK_OPENCL_FAIL");
  char function[64];
  unsigned n;
  int code;
  if (text && sscanf(text, "%63[^:]:%u:%d", function, &n, &code) == 3) ocl_fail(function, n, code);
}

static void open_library(void) {
  read_planned_failure();
  void *handle = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!handle) {
    snprintf(failure, sizeof failure, "the OpenCL loader libOpenCL.so.1 is not on this machine; install the Debian "
      "package ocl-icd-libopencl1 and a driver (pocl-opencl-icd runs on the CPU)");
    return;
  }
#define RESOLVE(name) \
  if (!(cl.name = (__typeof__(cl.name))dlsym(handle, #name)) && !failure[0]) \
    snprintf(failure, sizeof failure, "libOpenCL.so.1 lacks " #name ": OpenCL 1.2 is needed; install the Debian " \
      "package ocl-icd-libopencl1");
  FUNCTIONS(RESOLVE)
}

const char *ocl_open(void) {
  pthread_once(&once, open_library);
  return failure[0] ? failure : NULL;
}

/* Calls a function that answers a status, unless it is to fail now. */
#define CALL(name, ...) \
  ({ \
    int32_t planned_ = planned_failure(#name); \
    planned_ ? planned_ : cl.name(__VA_ARGS__); \
  })
/* The same for one that answers an object; its last argument is the status. */
#define MAKE(result, name, ...) \
  ({ \
    cl_int status_ = planned_failure(#name); \
    if (!status_) *(result) = cl.name(__VA_ARGS__, &status_); \
    if (status_) *(result) = NULL; \
    status_; \
  })

/* ---- What there is ---- */

#define NO_PLATFORM (-1001) /* CL_PLATFORM_NOT_FOUND_KHR */

int32_t ocl_platforms(ocl_object *list, uint32_t capacity, uint32_t *count) {
  *count = 0;
  int32_t status = CALL(clGetPlatformIDs, capacity, (cl_platform_id *)list, count);
  return status == NO_PLATFORM ? CL_SUCCESS : status;
}

int32_t ocl_devices(ocl_object platform, ocl_object *list, uint32_t capacity, uint32_t *count) {
  *count = 0;
  int32_t status = CALL(clGetDeviceIDs, platform, CL_DEVICE_TYPE_ALL, capacity, (cl_device_id *)list, count);
  return status == CL_DEVICE_NOT_FOUND ? CL_SUCCESS : status;
}

int32_t ocl_text(ocl_object object, int32_t what, char *text, size_t capacity) {
  static const cl_uint names[] = {
    CL_PLATFORM_NAME, CL_PLATFORM_VERSION, CL_DEVICE_NAME, CL_DEVICE_VENDOR, CL_DRIVER_VERSION};
  text[0] = 0;
  int32_t status = what <= OCL_PLATFORM_VERSION
    ? CALL(clGetPlatformInfo, object, names[what], capacity, text, NULL)
    : CALL(clGetDeviceInfo, object, names[what], capacity, text, NULL);
  text[capacity - 1] = 0;
  return status;
}

int32_t ocl_number(ocl_object device, int32_t what, uint64_t *number) {
  static const cl_uint names[] = {
    CL_DEVICE_TYPE, CL_DEVICE_TYPE, CL_DEVICE_MAX_COMPUTE_UNITS, CL_DEVICE_GLOBAL_MEM_SIZE,
    CL_DEVICE_MAX_MEM_ALLOC_SIZE, CL_DEVICE_MEM_BASE_ADDR_ALIGN, CL_DEVICE_MAX_WORK_GROUP_SIZE,
    CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT,
    CL_DEVICE_DOUBLE_FP_CONFIG, CL_DEVICE_HOST_UNIFIED_MEMORY, CL_DEVICE_SINGLE_FP_CONFIG,
    CL_DEVICE_AVAILABLE};
  uint64_t value = 0; /* little-endian: a shorter answer fills the low bytes */
  int32_t status = CALL(clGetDeviceInfo, device, names[what], sizeof value, &value, NULL);
  if (what == OCL_HAS_FLOAT64 && status) return *number = 0, CL_SUCCESS;
  switch (what) {
  case OCL_IS_GPU: value = !!(value & CL_DEVICE_TYPE_GPU); break;
  case OCL_IS_CPU: value = !!(value & CL_DEVICE_TYPE_CPU); break;
  case OCL_BASE_ALIGNMENT: value /= 8; break;
  case OCL_HAS_FLOAT64: value = value != 0; break;
  case OCL_ROUNDS_DIVISION: value = !!(value & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT); break;
  }
  *number = value;
  return status;
}

/* ---- Contexts, queues, buffers ---- */

int32_t ocl_context(ocl_object device, ocl_object *context) {
  cl_device_id id = device;
  return MAKE(context, clCreateContext, NULL, 1, &id, NULL, NULL);
}

int32_t ocl_queue(ocl_object context, ocl_object device, int32_t is_profiled, ocl_object *queue) {
  return MAKE(queue, clCreateCommandQueue, context, device, is_profiled ? CL_QUEUE_PROFILING_ENABLE : 0);
}

int32_t ocl_buffer(ocl_object context, uint64_t bytes, ocl_object *buffer) {
  return MAKE(buffer, clCreateBuffer, context, CL_MEM_READ_WRITE, bytes, NULL);
}

int32_t ocl_adopted_buffer(ocl_object context, void *host, uint64_t bytes, ocl_object *buffer) {
  return MAKE(buffer, clCreateBuffer, context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, bytes, host);
}

int32_t ocl_sub_buffer(ocl_object buffer, uint64_t offset, uint64_t bytes, ocl_object *sub) {
  cl_buffer_region region = {offset, bytes};
  return MAKE(sub, clCreateSubBuffer, buffer, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region);
}

void ocl_release(ocl_kind kind, ocl_object object) {
  if (!object) return;
  switch (kind) {
  case OCL_CONTEXT: cl.clReleaseContext(object); break;
  case OCL_QUEUE: cl.clReleaseCommandQueue(object); break;
  case OCL_BUFFER: cl.clReleaseMemObject(object); break;
  case OCL_PROGRAM: cl.clReleaseProgram(object); break;
  case OCL_KERNEL: cl.clReleaseKernel(object); break;
  case OCL_EVENT: cl.clReleaseEvent(object); break;
  }
}

/* ---- Programs ---- */

static _Thread_local char build_log[4096];

const char *ocl_build_log(void) { return build_log; }

static int32_t build(ocl_object program, ocl_object device, const char *options) {
  cl_device_id id = device;
  int32_t status = CALL(clBuildProgram, program, 1, &id, options, NULL, NULL);
  build_log[0] = 0;
  if (status) cl.clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, sizeof build_log - 1, build_log, NULL);
  return status;
}

int32_t ocl_program(
  ocl_object context, ocl_object device, const char *source, const char *options, ocl_object *program) {
  build_log[0] = 0;
  builds++;
  int32_t status = MAKE(program, clCreateProgramWithSource, context, 1, &source, NULL);
  if (!status) status = build(*program, device, options);
  if (status) {
    ocl_release(OCL_PROGRAM, *program);
    *program = NULL;
  }
  return status;
}

int32_t ocl_program_from_binary(
  ocl_object context, ocl_object device, const void *binary, size_t bytes, const char *options, ocl_object *program) {
  cl_device_id id = device;
  const unsigned char *start = binary;
  int32_t status = MAKE(program, clCreateProgramWithBinary, context, 1, &id, &bytes, &start, NULL);
  if (!status) status = build(*program, device, options);
  if (status) {
    ocl_release(OCL_PROGRAM, *program);
    *program = NULL;
  }
  return status;
}

int32_t ocl_binary(ocl_object program, void *bytes, size_t *size) {
  int32_t status = CALL(clGetProgramInfo, program, CL_PROGRAM_BINARY_SIZES, sizeof *size, size, NULL);
  if (status || !bytes) return status;
  unsigned char *start = bytes;
  return CALL(clGetProgramInfo, program, CL_PROGRAM_BINARIES, sizeof start, &start, NULL);
}

int32_t ocl_kernel(ocl_object program, const char *name, ocl_object *kernel) {
  return MAKE(kernel, clCreateKernel, program, name);
}

int32_t ocl_work_group(ocl_object kernel, ocl_object device, size_t *most) {
  int32_t status = CALL(
    clGetKernelWorkGroupInfo, kernel, device, CL_KERNEL_WORK_GROUP_SIZE, sizeof *most, most, NULL);
  size_t limit = work_group_limit;
  if (limit && *most > limit) *most = limit;
  return status;
}

int32_t ocl_argument(ocl_object kernel, uint32_t index, size_t bytes, const void *value) {
  return CALL(clSetKernelArg, kernel, index, bytes, value);
}

/* ---- Commands ---- */

int32_t ocl_launch(
  ocl_object queue, ocl_object kernel, uint32_t dimensions, const size_t *global, const size_t *local,
  ocl_object *event) {
  launches++;
  size_t items = 1, limit = work_group_limit;
  for (uint32_t axis = 0; axis < dimensions; axis++) items *= local[axis];
  if (limit && items > limit) return CL_INVALID_WORK_GROUP_SIZE;
  return CALL(clEnqueueNDRangeKernel, queue, kernel, dimensions, NULL, global, local, 0, NULL, (cl_event *)event);
}

int32_t ocl_write(
  ocl_object queue, ocl_object buffer, uint64_t offset, uint64_t bytes, const void *host, ocl_object *event) {
  bytes_to_device += bytes;
  return CALL(clEnqueueWriteBuffer, queue, buffer, CL_FALSE, offset, bytes, host, 0, NULL, (cl_event *)event);
}

int32_t ocl_read(ocl_object queue, ocl_object buffer, uint64_t offset, uint64_t bytes, void *host, ocl_object *event) {
  bytes_from_device += bytes;
  return CALL(clEnqueueReadBuffer, queue, buffer, CL_FALSE, offset, bytes, host, 0, NULL, (cl_event *)event);
}

int32_t ocl_hand_over(ocl_object queue, ocl_object buffer, void *host, ocl_object *event) {
  return CALL(clEnqueueUnmapMemObject, queue, buffer, host, 0, NULL, (cl_event *)event);
}

int32_t ocl_take_back(ocl_object queue, ocl_object buffer, uint64_t bytes, ocl_object *event) {
  void *host = NULL; /* that of the adopted buffer, by OpenCL 1.2 §5.4.3 */
  return MAKE(
    &host, clEnqueueMapBuffer, queue, buffer, CL_FALSE, CL_MAP_READ | CL_MAP_WRITE, 0, bytes, 0, NULL,
    (cl_event *)event);
}

int32_t ocl_copy(
  ocl_object queue, ocl_object from, uint64_t from_offset, ocl_object to, uint64_t to_offset, uint64_t bytes,
  ocl_object *event) {
  return CALL(clEnqueueCopyBuffer, queue, from, to, from_offset, to_offset, bytes, 0, NULL, (cl_event *)event);
}

int32_t ocl_zero(ocl_object queue, ocl_object buffer, uint64_t offset, uint64_t bytes, ocl_object *event) {
  static const uint8_t zero = 0;
  return CALL(clEnqueueFillBuffer, queue, buffer, &zero, 1, offset, bytes, 0, NULL, (cl_event *)event);
}

int32_t ocl_flush(ocl_object queue) { return CALL(clFlush, queue); }

int32_t ocl_event_state(ocl_object event, int32_t *state) {
  cl_int value = 0;
  int32_t status = CALL(clGetEventInfo, event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof value, &value, NULL);
  *state = value == CL_COMPLETE ? 1 : value < 0 ? value : 0;
  return status;
}

int32_t ocl_event_time(ocl_object event, uint64_t *nanoseconds) {
  cl_ulong start = 0, end = 0;
  int32_t status = CALL(clGetEventProfilingInfo, event, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL);
  if (!status) status = CALL(clGetEventProfilingInfo, event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL);
  *nanoseconds = end - start;
  return status;
}

int32_t ocl_finish(ocl_object queue) {
  blocking++;
  return CALL(clFinish, queue);
}

int32_t ocl_event_wait(ocl_object event) {
  blocking++;
  cl_event one = event;
  return CALL(clWaitForEvents, 1, &one);
}

#else

const char *ocl_open(void) {
  return "not built: the package was built without its trait OpenCL (install ocl-icd-opencl-dev and build again)";
}

/* Nothing below is reached where ocl_open says why there is no OpenCL. */
#define ABSENT (-1001)
int32_t ocl_platforms(ocl_object *l, uint32_t c, uint32_t *n) { return *n = 0, ABSENT; }
int32_t ocl_devices(ocl_object p, ocl_object *l, uint32_t c, uint32_t *n) { return *n = 0, ABSENT; }
int32_t ocl_text(ocl_object o, int32_t w, char *t, size_t c) { return t[0] = 0, ABSENT; }
int32_t ocl_number(ocl_object d, int32_t w, uint64_t *n) { return *n = 0, ABSENT; }
int32_t ocl_context(ocl_object d, ocl_object *c) { return ABSENT; }
int32_t ocl_queue(ocl_object c, ocl_object d, int32_t p, ocl_object *q) { return ABSENT; }
int32_t ocl_buffer(ocl_object c, uint64_t b, ocl_object *m) { return ABSENT; }
int32_t ocl_sub_buffer(ocl_object m, uint64_t o, uint64_t b, ocl_object *s) { return ABSENT; }
void ocl_release(ocl_kind k, ocl_object o) {}
int32_t ocl_adopted_buffer(ocl_object c, void *h, uint64_t n, ocl_object *b) { return ABSENT; }
int32_t ocl_program(ocl_object c, ocl_object d, const char *s, const char *o, ocl_object *p) { return ABSENT; }
int32_t ocl_program_from_binary(
  ocl_object c, ocl_object d, const void *b, size_t n, const char *o, ocl_object *p) { return ABSENT; }
const char *ocl_build_log(void) { return ""; }
int32_t ocl_binary(ocl_object p, void *b, size_t *s) { return ABSENT; }
int32_t ocl_kernel(ocl_object p, const char *n, ocl_object *k) { return ABSENT; }
int32_t ocl_work_group(ocl_object k, ocl_object d, size_t *m) { return *m = 0, ABSENT; }
int32_t ocl_argument(ocl_object k, uint32_t i, size_t b, const void *v) { return ABSENT; }
int32_t ocl_launch(
  ocl_object q, ocl_object k, uint32_t d, const size_t *g, const size_t *l, ocl_object *e) { return ABSENT; }
int32_t ocl_write(ocl_object q, ocl_object b, uint64_t o, uint64_t n, const void *h, ocl_object *e) { return ABSENT; }
int32_t ocl_read(ocl_object q, ocl_object b, uint64_t o, uint64_t n, void *h, ocl_object *e) { return ABSENT; }
int32_t ocl_hand_over(ocl_object q, ocl_object b, void *h, ocl_object *e) { return ABSENT; }
int32_t ocl_take_back(ocl_object q, ocl_object b, uint64_t n, ocl_object *e) { return ABSENT; }
int32_t ocl_copy(
  ocl_object q, ocl_object f, uint64_t fo, ocl_object t, uint64_t to, uint64_t n, ocl_object *e) { return ABSENT; }
int32_t ocl_zero(ocl_object q, ocl_object b, uint64_t o, uint64_t n, ocl_object *e) { return ABSENT; }
int32_t ocl_flush(ocl_object q) { return ABSENT; }
int32_t ocl_event_state(ocl_object e, int32_t *s) { return ABSENT; }
int32_t ocl_event_time(ocl_object e, uint64_t *n) { return ABSENT; }
int32_t ocl_finish(ocl_object q) { return ABSENT; }
int32_t ocl_event_wait(ocl_object e) { return ABSENT; }
#endif

const char *ocl_error_name(int32_t code) {
#define NAME(name, number) case number: return #name;
  switch (code) {
    NAME(CL_SUCCESS, 0) NAME(CL_DEVICE_NOT_FOUND, -1) NAME(CL_DEVICE_NOT_AVAILABLE, -2)
    NAME(CL_COMPILER_NOT_AVAILABLE, -3) NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE, -4) NAME(CL_OUT_OF_RESOURCES, -5)
    NAME(CL_OUT_OF_HOST_MEMORY, -6) NAME(CL_PROFILING_INFO_NOT_AVAILABLE, -7) NAME(CL_MEM_COPY_OVERLAP, -8)
    NAME(CL_BUILD_PROGRAM_FAILURE, -11) NAME(CL_MISALIGNED_SUB_BUFFER_OFFSET, -13)
    NAME(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, -14) NAME(CL_INVALID_VALUE, -30)
    NAME(CL_INVALID_PLATFORM, -32) NAME(CL_INVALID_DEVICE, -33) NAME(CL_INVALID_CONTEXT, -34)
    NAME(CL_INVALID_QUEUE_PROPERTIES, -35) NAME(CL_INVALID_COMMAND_QUEUE, -36) NAME(CL_INVALID_MEM_OBJECT, -38)
    NAME(CL_INVALID_BINARY, -42) NAME(CL_INVALID_BUILD_OPTIONS, -43) NAME(CL_INVALID_PROGRAM, -44)
    NAME(CL_INVALID_PROGRAM_EXECUTABLE, -45) NAME(CL_INVALID_KERNEL_NAME, -46) NAME(CL_INVALID_KERNEL, -48)
    NAME(CL_INVALID_ARG_INDEX, -49) NAME(CL_INVALID_ARG_VALUE, -50) NAME(CL_INVALID_ARG_SIZE, -51)
    NAME(CL_INVALID_KERNEL_ARGS, -52) NAME(CL_INVALID_WORK_DIMENSION, -53) NAME(CL_INVALID_WORK_GROUP_SIZE, -54)
    NAME(CL_INVALID_WORK_ITEM_SIZE, -55) NAME(CL_INVALID_GLOBAL_OFFSET, -56) NAME(CL_INVALID_EVENT, -58)
    NAME(CL_INVALID_OPERATION, -59) NAME(CL_INVALID_BUFFER_SIZE, -61) NAME(CL_INVALID_GLOBAL_WORK_SIZE, -63)
    NAME(CL_PLATFORM_NOT_FOUND_KHR, -1001)
  default: return "an OpenCL error without a name";
  }
}
