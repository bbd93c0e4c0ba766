#include "crash_note.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static _Atomic(const char *) note;

void switchback_crash_note(const char *words) { atomic_store_explicit(&note, words, memory_order_release); }

const char *switchback_crash_words(void) { return atomic_load_explicit(&note, memory_order_acquire); }

static const struct {
  int number;
  const char *name;
} crashes[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGABRT, "SIGABRT"},
               {SIGILL, "SIGILL"},   {SIGFPE, "SIGFPE"}, {SIGTRAP, "SIGTRAP"}};
enum { crash_count = sizeof crashes / sizeof crashes[0] };

static void put(const char *text) {
  ssize_t written = write(2, text, strlen(text));
  (void)written;
}

/* Only what a signal handler may call. */
static void report(int number) {
  const char *words = atomic_exchange(&note, NULL);
  if (words) {
    put("\nerror: ");
    for (int i = 0; i < crash_count; i++)
      if (crashes[i].number == number) put(crashes[i].name);
    put(": ");
    put(words);
    put("\n");
  }
  /* The handler is gone already (SA_RESETHAND): this ends the process when the handler returns. */
  raise(number);
}

void switchback_report_crashes(void) {
  for (int i = 0; i < crash_count; i++) {
    struct sigaction before;
    if (sigaction(crashes[i].number, NULL, &before) != 0 || before.sa_handler != SIG_DFL) continue;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = report;
    action.sa_flags = (int)SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    sigaction(crashes[i].number, &action, NULL);
  }
}
