#include "crash_note.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static _Atomic(const char *) note, subject;

void switchback_crash_note(const char *words) { atomic_store_explicit(&note, words, memory_order_release); }

void switchback_crash_subject(const char *words) { atomic_store_explicit(&subject, words, memory_order_release); }

const char *switchback_crash_words(void) { return atomic_load_explicit(&note, memory_order_acquire); }

static struct {
  int number;
  const char *name;
  struct sigaction before;
} crashes[] = {{SIGSEGV, "SIGSEGV", {{0}}}, {SIGBUS, "SIGBUS", {{0}}}, {SIGABRT, "SIGABRT", {{0}}},
               {SIGILL, "SIGILL", {{0}}},   {SIGFPE, "SIGFPE", {{0}}}, {SIGTRAP, "SIGTRAP", {{0}}}};
enum { crash_count = sizeof crashes / sizeof crashes[0] };

static void put(const char *text) {
  ssize_t written = write(2, text, strlen(text));
  (void)written;
}

/* Only what a signal handler may call. */
static void report(int number, siginfo_t *info, void *context) {
  (void)context;
  const char *words = atomic_exchange(&note, NULL), *about = atomic_exchange(&subject, NULL);
  if (about) words = about;
  for (int i = 0; i < crash_count; i++) {
    if (crashes[i].number != number) continue;
    if (words) {
      put("\nerror: ");
      put(crashes[i].name);
      put(": ");
      put(words);
      put("\n");
    }
    sigaction(number, &crashes[i].before, NULL);
  }
  /* A faulting instruction faults again; what was sent is sent again. */
  if (info->si_code <= 0 || number == SIGTRAP) raise(number);
}

void switchback_report_crashes(void) {
  /* For the report of a stack that has overflowed. */
  static char room[1 << 16];
  stack_t stack = {.ss_sp = room, .ss_size = sizeof room}, before;
  if (sigaltstack(NULL, &before) == 0 && before.ss_flags & SS_DISABLE) sigaltstack(&stack, NULL);
  for (int i = 0; i < crash_count; i++) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = report;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(crashes[i].number, &action, &crashes[i].before);
  }
}
