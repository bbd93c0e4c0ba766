/* The one file through which every OpenCL call goes: the loader is opened at run time, errors have names, calls are
 * counted, and tests can make any of them fail. Functions answer OpenCL's error code; 0 is success.
 */
#ifndef SWITCHBACK_OPENCL_LIBRARY_H
#define SWITCHBACK_OPENCL_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

/* Platforms, devices, contexts, queues, buffers, programs, kernels and events, as OpenCL hands them out. */
typedef void *ocl_object;

/* Null where the loader (libOpenCL.so.1) is open; otherwise why it is not and what to install. */
const char *ocl_open(void);
/* `CL_OUT_OF_RESOURCES` for −5. */
const char *ocl_error_name(int32_t code);

/* ---- What there is ---- */

int32_t ocl_platforms(ocl_object *list, uint32_t capacity, uint32_t *count);
int32_t ocl_devices(ocl_object platform, ocl_object *list, uint32_t capacity, uint32_t *count);

enum {
  OCL_PLATFORM_NAME = 0, OCL_PLATFORM_VERSION, OCL_DEVICE_NAME, OCL_DEVICE_VENDOR, OCL_DRIVER_VERSION
};
/* `object` is a platform or device, as `what` says. The text ends with a zero byte. */
int32_t ocl_text(ocl_object object, int32_t what, char *text, size_t capacity);

enum {
  OCL_IS_GPU = 0, OCL_IS_CPU, OCL_COMPUTE_UNITS, OCL_GLOBAL_MEMORY, OCL_MAX_ALLOCATION,
  OCL_BASE_ALIGNMENT, /* bytes */
  OCL_MAX_WORK_GROUP, OCL_VECTOR_WIDTH, /* floats that the device adds at once */ OCL_HAS_FLOAT64, OCL_IS_UNIFIED, OCL_ROUNDS_DIVISION, OCL_IS_AVAILABLE
};
int32_t ocl_number(ocl_object device, int32_t what, uint64_t *number);

/* ---- Contexts, queues, buffers ---- */

int32_t ocl_context(ocl_object device, ocl_object *context);
/* In order; with times of its commands where `is_profiled`. */
int32_t ocl_queue(ocl_object context, ocl_object device, int32_t is_profiled, ocl_object *queue);
int32_t ocl_buffer(ocl_object context, uint64_t bytes, ocl_object *buffer);
/* Over memory of the host, in whole pages. */
int32_t ocl_adopted_buffer(ocl_object context, void *host, uint64_t bytes, ocl_object *buffer);
int32_t ocl_sub_buffer(ocl_object buffer, uint64_t offset, uint64_t bytes, ocl_object *sub);

typedef enum { OCL_CONTEXT, OCL_QUEUE, OCL_BUFFER, OCL_PROGRAM, OCL_KERNEL, OCL_EVENT } ocl_kind;
/* Lets go of an object; null is fine. */
void ocl_release(ocl_kind kind, ocl_object object);

/* ---- Programs ---- */

/* Compiled from source, or from what ocl_binary gave for the same device and driver. */
int32_t ocl_program(
  ocl_object context, ocl_object device, const char *source, const char *options, ocl_object *program);
int32_t ocl_program_from_binary(
  ocl_object context, ocl_object device, const void *binary, size_t bytes, const char *options, ocl_object *program);
/* What the compiler said last in this thread; ends with a zero byte. */
const char *ocl_build_log(void);
/* The size of the binary, and with `bytes` not null its contents. */
int32_t ocl_binary(ocl_object program, void *bytes, size_t *size);
int32_t ocl_kernel(ocl_object program, const char *name, ocl_object *kernel);
/* How many work-items a work-group of the compiled kernel may have there: fewer than the device's where it needs many
 * registers. */
int32_t ocl_work_group(ocl_object kernel, ocl_object device, size_t *most);
int32_t ocl_argument(ocl_object kernel, uint32_t index, size_t bytes, const void *value);

/* ---- Commands: none waits; `event` may be null ---- */

int32_t ocl_launch(
  ocl_object queue, ocl_object kernel, uint32_t dimensions, const size_t *global, const size_t *local,
  ocl_object *event);
int32_t ocl_write(
  ocl_object queue, ocl_object buffer, uint64_t offset, uint64_t bytes, const void *host, ocl_object *event);
/* An adopted buffer's memory goes to the device, and back to the host, without a copy. */
int32_t ocl_hand_over(ocl_object queue, ocl_object buffer, void *host, ocl_object *event);
int32_t ocl_take_back(ocl_object queue, ocl_object buffer, uint64_t bytes, ocl_object *event);
int32_t ocl_read(ocl_object queue, ocl_object buffer, uint64_t offset, uint64_t bytes, void *host, ocl_object *event);
int32_t ocl_copy(
  ocl_object queue, ocl_object from, uint64_t from_offset, ocl_object to, uint64_t to_offset, uint64_t bytes,
  ocl_object *event);
int32_t ocl_zero(ocl_object queue, ocl_object buffer, uint64_t offset, uint64_t bytes, ocl_object *event);
int32_t ocl_flush(ocl_object queue);
/* 1 finished, 0 not yet; negative: the command failed with that code. */
int32_t ocl_event_state(ocl_object event, int32_t *state);
/* Nanoseconds between the start and the end of a finished command of a queue that is profiled. */
int32_t ocl_event_time(ocl_object event, uint64_t *nanoseconds);

/* ---- Commands that wait ---- */

int32_t ocl_finish(ocl_object queue);
int32_t ocl_event_wait(ocl_object event);

/* ---- Counting, and failing on demand ---- */

typedef struct {
  uint64_t launches, blocking, bytes_to_device, bytes_from_device, builds; /* programs compiled from source */
} ocl_counts;
ocl_counts ocl_counts_now(void);
/* The n-th call from now on (1: the next) of the OpenCL function of that name fails with `code`; n = 0: none does.
 * SWITCHBACK_OPENCL_FAIL=clEnqueueNDRangeKernel:5:-36 in the environment does the same from the start. */
void ocl_fail(const char *function, uint32_t n, int32_t code);
/* From now on no kernel may have more work-items in a work-group, and launches of more fail as on a device; 0: as it is. */
void ocl_limit_work_group(size_t most);

/* ---- The kernels' sources, by the name of their file without `.cl`; null: no such file ---- */

const char *ocl_source(const char *name);

#endif
