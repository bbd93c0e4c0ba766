/* switchback_backend.h: the contract between Switchback and a compute backend.
 *
 * A backend is a shared library that exports one function, SB_ENTRY. It needs this header and nothing else.
 * Version 1, frozen: a later minor only appends. 64-bit little-endian hosts. Text is UTF-8 and ends with a zero byte.
 *
 * Rules
 * - Structs that sit in arrays (sb_type, sb_value, sb_attribute, sb_view, sb_verdict, sb_keep, sb_kept, sb_option) are
 *   frozen within a major.
 *   The others are passed by pointer, begin with struct_size, and grow at the end; a shorter one reads as zeros.
 * - An operation, attribute, element type, layout, role or flag that a backend does not know means: decline.
 *   sb_attributes_known() makes that check one line.
 * - What is called reserved is 0. A later minor may give it a meaning; a host sets it then, and only for backends whose
 *   table has that minor.
 * - Pointers in a record are valid until the call returns, if nothing else is said: whoever runs asynchronously copies.
 * - Functions report failure by status and describe it in the caller's sb_error.
 * - Nothing but the C data declared here crosses: no exceptions, no signals, no changed locale or float mode.
 * - A backend starts no threads; it uses the host's (sb_host.parallel, sb_host.team). A library that has threads of its
 *   own is set to one on each worker, and back again before the call returns.
 * - Bits depend on the operands, not on sb_host.workers, on which worker ran what, or on earlier runs: conformance asks
 *   1, 2 and 3 workers for the same ones of every operation, and 1, 2, 3, 5 and 7 for those of whole segments. So sums
 *   are cut into chunks by shapes, and added in the order of the chunks. Another fingerprint, driver or processor may
 *   mean other bits.
 * - What an operation makes of NaN, ties and kinks is a part of its law: Sources/OPERATIONS.md.
 */
#ifndef SWITCHBACK_BACKEND_H
#define SWITCHBACK_BACKEND_H

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SB_MAJOR 1
#define SB_MINOR 0
#define SB_ENTRY switchback_backend_1
#define SB_ENTRY_NAME "switchback_backend_1"
#define SB_MAX_RANK 8
/* In place of a result's value number: nothing reads it, it must not be written. */
#define SB_ABSENT UINT32_MAX

typedef int32_t sb_status;
enum {
  SB_OK = 0, SB_UNSUPPORTED = 1, SB_INVALID = 2, SB_OUT_OF_MEMORY = 3,
  SB_DEVICE_LOST = 4, SB_INTERNAL = 5, SB_TIMEOUT = 6, SB_END = 7
};

/* Increases on each device; 0 means finished on return. */
typedef uint64_t sb_ticket;

typedef struct sb_device sb_device;         /* opened by the backend */
typedef struct sb_executable sb_executable; /* compiled by the backend */
typedef struct sb_buffer sb_buffer;         /* the backend's own memory; null for host memory */
typedef struct sb_team sb_team;             /* the host's running team of workers */

/* ---- Descriptions (frozen) ---- */

enum { SB_F32 = 1, SB_F64, SB_F16, SB_BF16, SB_I32, SB_I64, SB_U8, SB_BOOL };

typedef struct {
  uint16_t element; /* SB_F32 …; a bool is one byte, 0 or 1 */
  uint16_t rank;    /* 0 (scalar) to SB_MAX_RANK */
  uint32_t layout;  /* 0: dense, row-major */
  uint64_t flags;   /* 0 */
  int64_t extent[SB_MAX_RANK];
} sb_type;

enum {
  SB_INPUT = 1, /* read */
  SB_OUTPUT,    /* written; must be complete when the segment ends */
  SB_STATE,     /* kept between runs; an operation that lists it among its results replaces it in place */
  SB_CONSTANT,  /* read; its contents never change */
  SB_STEP,      /* read; a few numbers that change at every run */
  SB_TEMPORARY, /* produced and used inside the segment; may never exist in memory */
  SB_TAP        /* a temporary that must be written this time: somebody looks at it */
};

typedef struct {
  sb_type type;
  uint32_t role;
  uint32_t zero;
} sb_value;

enum { SB_BOOLEAN = 1, SB_INTEGER, SB_REAL, SB_TEXT, SB_INTEGERS, SB_REALS };

typedef struct {
  const char *name;
  uint32_t form; /* which member of value holds: SB_BOOLEAN `integer`, 0 or 1; SB_INTEGER `integer`; SB_REAL `real`;
                    SB_TEXT `text`, also of an element type ("f32"); SB_INTEGERS `integers`; SB_REALS `reals` */
  uint32_t zero;
  uint64_t count; /* of integers or reals; otherwise 1 */
  union { int64_t integer; double real; const char *text; const int64_t *integers; const double *reals; } value;
} sb_attribute;

typedef struct {
  sb_buffer *buffer; /* null: host memory */
  uint64_t offset;   /* in bytes, into buffer */
  uint64_t bytes;
  void *host;        /* where the host sees it (offset included); null: nowhere */
} sb_view;

/* With previous: only where the operation before it in the program runs on this device too. */
enum { SB_DECLINE = 0, SB_ACCEPT = 1, SB_ACCEPT_WITH_PREVIOUS = 2 };

typedef struct {
  uint32_t decision;
  float error_factor; /* 0 or 1: within the operation's own bound; else this multiple of it */
  double cost_us;     /* estimate; 0: unknown */
  const char *why;    /* static text, or null */
} sb_verdict;

enum { SB_KEEP_LASTING = 1 /* worth keeping from run to run: made from a state */ };

/* What a backend makes from one value and would like to find again: a spectrum, a packed filter. Segments of one device
 * that state the same value, format and bytes share the memory, such as the three passes of a convolution. So the
 * format stands for all that the contents hang on besides the value: algorithm, tile, the operation's strides. */
typedef struct {
  uint32_t value, flags; /* a value number of the segment */
  uint64_t format;       /* the backend's own number for what lies in the memory, and how */
  uint64_t bytes;
} sb_keep;

/* The memory of a keep in a run. The host always gives it, and alone decides how long its contents live: */
typedef struct {
  sb_view memory;
  uint64_t *generation; /* of the value that the contents were made from, 0: none. run compares it with
                           sb_run.generations[value of the keep]; where they differ it fills the memory, then writes it.
                           What is made of a state after this run replaced it gets 0. */
} sb_kept;

/* ---- Descriptions (growing) ---- */

typedef struct {
  uint32_t struct_size;
  int32_t operation; /* in: -1; out: which operation of the segment is at fault, or -1 */
  char *text;        /* the caller's memory, or null */
  uint64_t capacity; /* of text, the zero byte included */
} sb_error;

typedef struct {
  uint32_t struct_size, flags; /* an unknown flag: decline */
  const char *name;            /* "conv2d"; Sources/OPERATIONS.md has the laws */
  const sb_attribute *attributes;
  uint32_t attribute_count, input_count, output_count;
  uint32_t zero;
  const uint32_t *inputs, *outputs; /* value numbers; SB_ABSENT among outputs */
  const char *path;                 /* the user's layer, "layers.2.conv2d" */
} sb_operation;

typedef struct {
  uint32_t struct_size, flags;
  const sb_operation *const *operations; /* in the order they run */
  const sb_value *values;
  uint32_t operation_count, value_count;
} sb_program;

typedef struct {
  uint32_t struct_size, flags;
  const sb_program *program;
  uint64_t workspace_limit; /* the most bytes that sb_compiled.workspace may be; 0: none at all. Where it is too little,
                               compile takes an algorithm that needs less, or fails with SB_OUT_OF_MEMORY and says in
                               the error how many bytes it needs. Memory of keeps and scratch does not count. */
  uint64_t tuning_us;       /* reserved: time that compile may spend measuring */
  uint64_t fingerprint;     /* reserved: a recorded plan that is demanded */
} sb_segment;

typedef struct {
  uint32_t struct_size, flags;
  uint64_t workspace, workspace_alignment; /* bytes that every run is given, at most the limit, and lost after it;
                                              alignment: a power of two up to 4096, or 0 */
  uint64_t own_bytes;                      /* memory the executable keeps itself */
  uint64_t fingerprint;                    /* covers every choice made: algorithm, tile, plan */
  const uint32_t *group_of;                /* for each operation the group that it is run and profiled in, below
                                              group_count; see SB_NEEDS_TEMPORARIES. A group's operations need not be
                                              neighbours: its values live from its first operation to its last. Null:
                                              each operation is a group of its own, in their order. */
  const char *const *group_names;          /* "conv2d + bias + relu + maxPool2d" */
  uint32_t group_count, keep_count;
  const sb_keep *keeps;
} sb_compiled; /* comes as zeros with struct_size set, so what a backend has not it leaves; its pointers live as long as
                  the executable */

typedef struct {
  uint32_t struct_size, flags;
  const sb_view *views;        /* one for each value; all null for temporaries unless SB_NEEDS_TEMPORARIES */
  const uint64_t *generations; /* for each value a number, never 0, that changes whenever its contents may have. Of a
                                  state that the run replaces it is that of what lay there before; a value that is no
                                  state has another one in every run. */
  uint32_t view_count, queue; /* queue: reserved */
  sb_view workspace;
  uint64_t bindings; /* reserved: the same non-zero number: the same views as last time */
  sb_ticket after;   /* reserved: runs and copies follow each other in the order of the calls */
  double *group_us;  /* null: nobody asks. Else microseconds of this run alone for each group (without group_of for each
                        operation), zeros at its start: run sets them, or adds where a group runs in parts. None is
                        negative, and all together are at most the run's time, so work on several workers counts once.
                        They change no bits. A backend that measures nothing leaves the zeros. */
  const sb_kept *kept; /* one for each keep that compile stated */
} sb_run;

typedef struct {
  uint32_t struct_size, queue; /* queue: reserved */
  sb_view to, from;
  sb_ticket after;             /* reserved */
} sb_copy;

enum {
  SB_PRIVATE_MEMORY = 1,    /* views must come from allocate or adopt */
  SB_NEEDS_TEMPORARIES = 2, /* the host places every temporary. A result may lie where a value lay that nothing reads
                               any more, so operations that become one kernel are one group (group_of): no operand and
                               no result of a group lies where another of them does. */
  SB_TAP_STABLE = 4         /* taps change no other bits */
};

typedef struct {
  uint32_t struct_size, flags;
  const char *name, *vendor, *driver; /* live as long as the process */
  uint64_t max_allocation, alignment; /* 0: no limit; 0: 64 bytes */
  uint32_t max_operations, queues;    /* of a segment; 0: any */
  const char *kind;                   /* "cpu", "gpu", "accelerator", or null: what users choose a device by */
} sb_info; /* comes as zeros with struct_size set */

typedef struct {
  uint32_t struct_size, zero;
  uint64_t total, available, own;
} sb_memory;

/* Since the device was opened. Blocking calls are those in which the host waits for the device to run dry. */
typedef struct {
  uint32_t struct_size, zero;
  uint64_t launches, blocking_calls, bytes_in, bytes_out;
} sb_counts;

/* What the user set for this backend (backend.options), without `device` and `trust`, which are the host's. An option
 * that it does not know, or a value that it cannot use, is a mistake of the user's: open fails with SB_INVALID and
 * names it. */
typedef struct {
  const char *key, *value;
} sb_option;

/* ---- What the host offers ---- */

typedef struct sb_host {
  uint32_t struct_size;
  uint16_t major, minor;
  void *self;
  uint32_t workers, flags;
  const char *cache_folder; /* null: read-only host */
  /* 0 debug; 1 what takes its time: the next one replaces it, an empty text ends it; 2 warning */
  void (*log)(void *self, int32_t level, const char *text);
  /* Runs item(context, i, worker) for every i below items; item i goes to worker i·workers/items. */
  void (*parallel)(void *self, uint32_t items, void (*item)(void *, uint32_t item, uint32_t worker), void *context);
  /* Runs member on all workers at once, so that barriers between them are safe. Nested calls run inline. */
  void (*team)(void *self, void (*member)(void *, uint32_t worker, uint32_t workers, sb_team *), void *context);
  void (*barrier)(sb_team *);
  /* 64-byte aligned memory of this worker, valid until the outermost parallel or team returns; null: none left. It is
   * not cleared, and only for the worker that asks. The host keeps it for the next run, so the first runs may allocate
   * and later ones of the same sizes do not. No limit is set but the machine's memory, and each worker takes its own:
   * ask for a few MiB; what is larger is workspace. It may grow 32 times within a parallel or team: ask once for all,
   * not in a loop, and not outside of both, where nothing gives it back. */
  void *(*scratch)(void *self, uint32_t worker, uint64_t bytes);
  /* Small results of tuning, by key (at most 100 bytes), kept from one process to the next. In *count recall takes the
   * room and gives the size: SB_END where nothing is known, SB_INVALID where the room is too small. */
  sb_status (*recall)(void *self, const char *key, void *bytes, uint64_t *count);
  sb_status (*remember)(void *self, const char *key, const void *bytes, uint64_t count);
} sb_host;

/* ---- What a backend offers ---- */

typedef struct sb_backend sb_backend;
struct sb_backend {
  uint32_t struct_size;
  uint16_t major, minor;
  const char *name, *version;
  void *context;
  uint64_t flags;
  /* Required. device_info answers SB_END past the last device; at 0 the error says why there is none. */
  sb_status (*device_info)(const sb_backend *, uint32_t index, sb_info *, sb_error *);
  sb_status (*open)(
    const sb_backend *, uint32_t index, const sb_host *, const sb_option *, uint32_t option_count, sb_device **,
    sb_error *);
  void (*close)(sb_device *);
  /* One verdict for each operation: a pure function of the description. It is asked of whole programs and of every
   * operation by itself, at every start and many times by `backend: auto`, so it should take a few microseconds an
   * operation: it compiles and measures nothing. It may cache in the device what it finds out; the same question gets
   * the same answer. */
  sb_status (*query)(sb_device *, const sb_program *, sb_verdict *, sb_error *);
  /* The description dies when compile returns. One call at a time on a device. */
  sb_status (*compile)(sb_device *, const sb_segment *, sb_executable **, sb_compiled *, sb_error *);
  /* Allocates nothing: what it needs it has from compile, as workspace or keep, or takes from sb_host.scratch.
   * Conformance counts, on devices that use host memory, what all threads ask of malloc and its kin (calloc, realloc,
   * aligned_alloc, posix_memalign, memalign, valloc, pvalloc; not mmap), the libraries below the backend too. A run may
   * ask for memory while libraries set themselves up, but one of the first five must ask for none. Only a library that
   * needs Swift's runtime may have 128 bytes a fork, for the closures that it forks. One call at a time on a device. */
  sb_status (*run)(sb_device *, sb_executable *, const sb_run *, sb_ticket *, sb_error *);
  void (*release)(sb_device *, sb_executable *);
  /* Required where runs are asynchronous or memory is private; otherwise null. */
  sb_status (*wait)(sb_device *, sb_ticket, uint64_t timeout_ns, sb_error *);
  sb_status (*allocate)(sb_device *, uint64_t bytes, sb_view *, sb_error *);
  /* May be null. Host memory that begins on a page of 4096 bytes and is some long becomes a view without a copy, with
   * its buffer and host set; SB_UNSUPPORTED: not on this device, or not this memory. It starts as the host's. A copy
   * from the memory to the view hands it over to the device, for reading: the host may still read it. One from the view
   * to the memory takes it back: the host may write. Neither moves a byte. discard ends it; the memory stays. */
  sb_status (*adopt)(sb_device *, void *host, uint64_t bytes, sb_view *, sb_error *);
  void (*discard)(sb_device *, sb_buffer *);
  sb_status (*copy)(sb_device *, const sb_copy *, sb_ticket *, sb_error *);
  /* Optional. */
  sb_status (*memory)(sb_device *, sb_memory *, sb_error *);
  void (*trim)(sb_device *, uint32_t level);
  const void *(*extension)(const sb_backend *, const char *name);
  /* A device that does not count sets struct_size to 0. */
  void (*counts)(sb_device *, sb_counts *);
};

/* The only export. Returns a table that lives as long as the process, or null where host_minor is too old. */
#define SB_EXPORT __attribute__((visibility("default")))
SB_EXPORT const sb_backend *SB_ENTRY(uint32_t host_minor);

/* ---- Help for backends written in C ---- */

static inline const sb_attribute *sb_attribute_named(const sb_operation *operation, const char *name) {
  for (uint32_t i = 0; i < operation->attribute_count; i++)
    if (strcmp(operation->attributes[i].name, name) == 0) return &operation->attributes[i];
  return 0;
}

/* Whether every attribute is among the count known ones and no flag is set: the "unknown means decline" check. */
static inline int sb_attributes_known(const sb_operation *operation, const char *const *known, uint32_t count) {
  if (operation->flags) return 0;
  for (uint32_t i = 0; i < operation->attribute_count; i++) {
    uint32_t k = 0;
    while (k < count && strcmp(operation->attributes[i].name, known[k]) != 0) k++;
    if (k == count) return 0;
  }
  return 1;
}

static inline uint64_t sb_element_count(const sb_type *type) {
  uint64_t count = 1;
  for (uint32_t i = 0; i < type->rank; i++) count *= (uint64_t)type->extent[i];
  return count;
}

static inline sb_status sb_fail(sb_error *error, sb_status status, int32_t operation, const char *text) {
  if (error) {
    error->operation = operation;
    if (error->text && error->capacity) {
      strncpy(error->text, text, (size_t)error->capacity - 1);
      error->text[error->capacity - 1] = 0;
    }
  }
  return status;
}

#ifdef __cplusplus
}
#endif
#endif
