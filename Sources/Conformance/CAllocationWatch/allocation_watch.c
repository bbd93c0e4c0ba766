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
};
enum { call_count = sizeof calls / sizeof calls[0] };

/* The linker has written into each library where the functions are that it calls. Those entries are changed that say where
 * a call of ours is; others, of data or of one's own functions, stay. */
static void redirect(const ElfW(Rela) *entries, size_t bytes, const ElfW(Sym) *symbols, const char *names, ElfW(Addr) base) {
  long page = sysconf(_SC_PAGESIZE);
  for (size_t i = 0; i < bytes / sizeof *entries; i++) {
    const char *name = names + symbols[ELF64_R_SYM(entries[i].r_info)].st_name;
    for (int c = 0; c < call_count; c++) {
      if (strcmp(name, calls[c].name) != 0) continue;
      void **place = (void **)(base + entries[i].r_offset);
      void *start = (void *)((uintptr_t)place & ~((uintptr_t)page - 1));
      if (mprotect(start, (size_t)page, PROT_READ | PROT_WRITE) == 0) *place = calls[c].counted;
    }
  }
}

static int redirect_library(struct dl_phdr_info *library, size_t size, void *unused) {
  (void)size, (void)unused;
  if (strstr(library->dlpi_name, "vdso")) return 0;
  for (int i = 0; i < library->dlpi_phnum; i++) {
    if (library->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    ElfW(Addr) base = library->dlpi_addr, value[DT_NUM] = {0};
    for (const ElfW(Dyn) *entry = (const void *)(base + library->dlpi_phdr[i].p_vaddr); entry->d_tag != DT_NULL; entry++)
      if (entry->d_tag > 0 && entry->d_tag < DT_NUM) value[entry->d_tag] = entry->d_un.d_val;
    /* Some C libraries leave addresses as they stand in the file. */
    for (size_t *tag = (size_t[]){DT_SYMTAB, DT_STRTAB, DT_JMPREL, DT_RELA, 0}; *tag; tag++)
      if (value[*tag] && value[*tag] < base) value[*tag] += base;
    if (!value[DT_SYMTAB] || !value[DT_STRTAB]) continue;
    const void *symbols = (const void *)value[DT_SYMTAB];
    const char *names = (const char *)value[DT_STRTAB];
    if (value[DT_JMPREL] && value[DT_PLTREL] == DT_RELA)
      redirect((const void *)value[DT_JMPREL], value[DT_PLTRELSZ], symbols, names, base);
    if (value[DT_RELA]) redirect((const void *)value[DT_RELA], value[DT_RELASZ], symbols, names, base);
  }
  return 0;
}

int switchback_watch_allocations(void) {
  for (int c = 0; c < call_count; c++)
    if (!(*calls[c].real = dlsym(RTLD_DEFAULT, calls[c].name))) return 0;
  dl_iterate_phdr(redirect_library, NULL);
  uint64_t before = switchback_allocated_bytes();
  void *volatile block = malloc(1);
  free(block);
  return switchback_allocated_bytes() > before;
}
#else
int switchback_watch_allocations(void) { return 0; }
#endif
