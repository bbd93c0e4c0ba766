#define _GNU_SOURCE
#include "allocation_watch.h"

#include <stdatomic.h>

static _Atomic uint64_t taken;

uint64_t switchback_allocated_bytes(void) { return atomic_load(&taken); }

#if defined(__linux__) && defined(__LP64__)
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void *(*real_aligned_alloc)(size_t, size_t);
static int (*real_posix_memalign)(void **, size_t, size_t);
static void *(*real_memalign)(size_t, size_t);
static void *(*real_valloc)(size_t);
static void *(*real_pvalloc)(size_t);

static void *counted_malloc(size_t bytes) {
  atomic_fetch_add(&taken, bytes);
  return real_malloc(bytes);
}

static void *counted_calloc(size_t items, size_t bytes) {
  atomic_fetch_add(&taken, items * bytes);
  return real_calloc(items, bytes);
}

static void *counted_realloc(void *block, size_t bytes) {
  atomic_fetch_add(&taken, bytes);
  return real_realloc(block, bytes);
}

static void *counted_aligned_alloc(size_t alignment, size_t bytes) {
  atomic_fetch_add(&taken, bytes);
  return real_aligned_alloc(alignment, bytes);
}

static int counted_posix_memalign(void **block, size_t alignment, size_t bytes) {
  atomic_fetch_add(&taken, bytes);
  return real_posix_memalign(block, alignment, bytes);
}

static void *counted_memalign(size_t alignment, size_t bytes) {
  atomic_fetch_add(&taken, bytes);
  return real_memalign(alignment, bytes);
}

static void *counted_valloc(size_t bytes) {
  atomic_fetch_add(&taken, bytes);
  return real_valloc(bytes);
}

static void *counted_pvalloc(size_t bytes) {
  atomic_fetch_add(&taken, bytes);
  return real_pvalloc(bytes);
}

static const struct {
  const char *name;
  void **real;
  void *counted;
} calls[] = {
  {"malloc", (void **)&real_malloc, counted_malloc},
  {"calloc", (void **)&real_calloc, counted_calloc},
  {"realloc", (void **)&real_realloc, counted_realloc},
  {"aligned_alloc", (void **)&real_aligned_alloc, counted_aligned_alloc},
  {"posix_memalign", (void **)&real_posix_memalign, counted_posix_memalign},
  /* Older ones, which not every C library has. */
  {"memalign", (void **)&real_memalign, counted_memalign},
  {"valloc", (void **)&real_valloc, counted_valloc},
  {"pvalloc", (void **)&real_pvalloc, counted_pvalloc},
};
enum { call_count = sizeof calls / sizeof calls[0], standard_count = 5 };

/* What a library's dynamic section says, by tag; addresses are those in memory. NULL: it has none. */
struct dynamic {
  ElfW(Addr) value[DT_NUM];
  const ElfW(Dyn) *entries;
};

static struct dynamic dynamic_section(const struct dl_phdr_info *library) {
  struct dynamic found = {{0}, NULL};
  if (strstr(library->dlpi_name, "vdso")) return found;
  ElfW(Addr) base = library->dlpi_addr;
  for (int i = 0; i < library->dlpi_phnum; i++)
    if (library->dlpi_phdr[i].p_type == PT_DYNAMIC)
      found.entries = (const void *)(base + library->dlpi_phdr[i].p_vaddr);
  if (!found.entries) return found;
  for (const ElfW(Dyn) *entry = found.entries; entry->d_tag != DT_NULL; entry++)
    if (entry->d_tag > 0 && entry->d_tag < DT_NUM) found.value[entry->d_tag] = entry->d_un.d_val;
  /* Some C libraries leave addresses as they stand in the file. */
  for (const size_t *tag = (const size_t[]){DT_SYMTAB, DT_STRTAB, DT_JMPREL, DT_RELA, 0}; *tag; tag++)
    if (found.value[*tag] && found.value[*tag] < base) found.value[*tag] += base;
  return found;
}

/* The linker has written into each library where the functions are that it calls. Those entries are changed that say where
 * a call of ours is; others, of data or of one's own functions, stay. */
static void redirect(const ElfW(Rela) *entries, size_t bytes, const ElfW(Sym) *symbols, const char *names, ElfW(Addr) base) {
  long page = sysconf(_SC_PAGESIZE);
  for (size_t i = 0; i < bytes / sizeof *entries; i++) {
    const char *name = names + symbols[ELF64_R_SYM(entries[i].r_info)].st_name;
    for (int c = 0; c < call_count; c++) {
      if (!*calls[c].real || strcmp(name, calls[c].name) != 0) continue;
      void **place = (void **)(base + entries[i].r_offset);
      void *start = (void *)((uintptr_t)place & ~((uintptr_t)page - 1));
      if (mprotect(start, (size_t)page, PROT_READ | PROT_WRITE) == 0) *place = calls[c].counted;
    }
  }
}

static int redirect_library(struct dl_phdr_info *library, size_t size, void *unused) {
  (void)size, (void)unused;
  struct dynamic found = dynamic_section(library);
  const ElfW(Addr) *value = found.value;
  if (!found.entries || !value[DT_SYMTAB] || !value[DT_STRTAB]) return 0;
  const void *symbols = (const void *)value[DT_SYMTAB];
  const char *names = (const char *)value[DT_STRTAB];
  if (value[DT_JMPREL] && value[DT_PLTREL] == DT_RELA)
    redirect((const void *)value[DT_JMPREL], value[DT_PLTRELSZ], symbols, names, library->dlpi_addr);
  if (value[DT_RELA]) redirect((const void *)value[DT_RELA], value[DT_RELASZ], symbols, names, library->dlpi_addr);
  return 0;
}

int switchback_watch_allocations(void) {
  for (int c = 0; c < call_count; c++)
    if (!(*calls[c].real = dlsym(RTLD_DEFAULT, calls[c].name)) && c < standard_count) return 0;
  dl_iterate_phdr(redirect_library, NULL);
  uint64_t before = switchback_allocated_bytes();
  void *volatile block = malloc(1);
  free(block);
  return switchback_allocated_bytes() > before;
}

struct question {
  ElfW(Addr) function;
  const char *name;
  int answer;
};

/* Ends the walk at the library in which the function lies. */
static int ask_library(struct dl_phdr_info *library, size_t size, void *context) {
  (void)size;
  struct question *question = context;
  int is_inside = 0;
  for (int i = 0; i < library->dlpi_phnum; i++) {
    ElfW(Addr) start = library->dlpi_addr + library->dlpi_phdr[i].p_vaddr;
    is_inside |= library->dlpi_phdr[i].p_type == PT_LOAD && question->function - start < library->dlpi_phdr[i].p_memsz;
  }
  if (!is_inside) return 0;
  struct dynamic found = dynamic_section(library);
  const char *names = (const char *)found.value[DT_STRTAB];
  if (!found.entries || !names) return 1;
  for (const ElfW(Dyn) *entry = found.entries; entry->d_tag != DT_NULL; entry++)
    if (entry->d_tag == DT_NEEDED && strncmp(names + entry->d_un.d_val, question->name, strlen(question->name)) == 0)
      question->answer = 1;
  return 1;
}

int switchback_needs_library(const void *function, const char *name) {
  struct question question = {(ElfW(Addr))function, name, 0};
  dl_iterate_phdr(ask_library, &question);
  return question.answer;
}
#else
int switchback_watch_allocations(void) { return 0; }
int switchback_needs_library(const void *function, const char *name) {
  (void)function, (void)name;
  return 0;
}
#endif
