#define _GNU_SOURCE
#include "fft_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

const char *switchback_cpu_model(void) {
  static char model[80];
  static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&guard);
  FILE *file = model[0] ? NULL : fopen("/proc/cpuinfo", "r");
  char line[256];
  while (file && !model[0] && fgets(line, sizeof line, file)) {
    char *value = strchr(line, ':');
    if (strncmp(line, "model name", 10) == 0 && value) snprintf(model, sizeof model, "%.78s", value + 2);
  }
  if (file) fclose(file);
  model[strcspn(model, "\n")] = 0;
  if (!model[0]) {
#if defined(__x86_64__)
    strcpy(model, "x86-64");
#elif defined(__aarch64__)
    strcpy(model, "aarch64");
#else
    strcpy(model, "cpu");
#endif
  }
  pthread_mutex_unlock(&guard);
  return model;
}

#ifdef SWITCHBACK_FFT
#include <fftw3.h>

static switchback_fftw library;
static const char *failure;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;

static struct {
  __typeof__(&fftwf_plan_guru_dft) plan;
  __typeof__(&fftwf_execute_dft) execute;
  __typeof__(&fftwf_set_timelimit) set_timelimit;
  __typeof__(&fftwf_sprint_plan) print;
  __typeof__(&fftwf_destroy_plan) destroy;
  __typeof__(&fftwf_export_wisdom_to_string) export_wisdom;
  __typeof__(&fftwf_import_wisdom_from_string) import_wisdom;
} fftw;

static void execute(const void *plan, float *data) {
  fftw.execute((fftwf_plan)plan, (fftwf_complex *)data, (fftwf_complex *)data);
}

static void open_library(void) {
  void *handle = dlopen("libfftw3f.so.3", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!handle) {
    failure = "libfftw3f.so.3 is not on this machine; install the Debian package libfftw3-single3 (or libfftw3-dev)";
    return;
  }
  /* MKL gives FFTW's names to functions of its own; the version tells whose these are. */
  const char *version = dlsym(handle, "fftwf_version");
  fftw.plan = dlsym(handle, "fftwf_plan_guru_dft");
  fftw.execute = dlsym(handle, "fftwf_execute_dft");
  fftw.set_timelimit = dlsym(handle, "fftwf_set_timelimit");
  fftw.print = dlsym(handle, "fftwf_sprint_plan");
  fftw.destroy = dlsym(handle, "fftwf_destroy_plan");
  fftw.export_wisdom = dlsym(handle, "fftwf_export_wisdom_to_string");
  fftw.import_wisdom = dlsym(handle, "fftwf_import_wisdom_from_string");
  if (!version || strncmp(version, "fftw-3", 6) != 0 || !fftw.plan || !fftw.execute || !fftw.set_timelimit ||
      !fftw.print || !fftw.destroy || !fftw.export_wisdom || !fftw.import_wisdom) {
    failure = "libfftw3f.so.3 is not FFTW 3 (another library under its name?); install the Debian package "
              "libfftw3-single3";
    return;
  }
  library.version = version;
  library.execute = execute;
}

const switchback_fftw *switchback_fftw_open(const char **reason) {
  pthread_once(&once, open_library);
  if (!failure) return &library;
  *reason = failure;
  return NULL;
}

/* Plans that were made. */
typedef struct entry {
  switchback_fftw_shape shape;
  const void *plan;
  uint64_t fingerprint;
  struct entry *next;
} entry;
static entry *entries;

static const entry *find_or_make(const switchback_fftw_shape *shape, double seconds, float *data) {
  for (const entry *e = entries; e; e = e->next)
    if (memcmp(&e->shape, shape, sizeof *shape) == 0) return e;
  entry *made = malloc(sizeof *made);
  if (!made) return NULL;
  fftw.set_timelimit(seconds);
  fftwf_complex *memory = (fftwf_complex *)data;
  fftwf_iodim each = {shape->length, shape->stride, shape->stride};
  fftwf_iodim many[2] = {{shape->outer, shape->distance, shape->distance}, {shape->count, 1, 1}};
  int inner_only = shape->outer == 1;
  /* Buffered plans allocate memory whenever they run. */
  fftwf_plan plan = fftw.plan(
    1, &each, inner_only ? 1 : 2, many + inner_only, memory, memory, shape->sign, FFTW_MEASURE | FFTW_NO_BUFFERING);
  char *text = plan ? fftw.print(plan) : NULL;
  if (!text) {
    if (plan) fftw.destroy(plan);
    free(made);
    return NULL;
  }
  uint64_t hash = 0xcbf29ce484222325;
  for (const char *c = text; *c; c++) hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
  free(text);
  *made = (entry){*shape, plan, hash, entries};
  return entries = made;
}

const void *switchback_fftw_plan(
  const switchback_fftw_shape *shape, double seconds, float *data, uint64_t *fingerprint) {
  pthread_mutex_lock(&planner);
  const entry *found = find_or_make(shape, seconds, data);
  pthread_mutex_unlock(&planner);
  if (!found) return NULL;
  *fingerprint = found->fingerprint;
  return found->plan;
}

char *switchback_fftw_wisdom(void) {
  pthread_mutex_lock(&planner);
  char *text = fftw.export_wisdom();
  pthread_mutex_unlock(&planner);
  return text;
}

/* Whether a child of ours reads the wisdom and lives: FFTW aborts over some that is damaged. */
static int can_be_read(const char *wisdom) {
  pid_t child = fork();
  if (child < 0) return 0;
  if (child == 0) {
    /* What FFTW says of it is no matter of the user's, nor is a core file. */
    int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere >= 0) dup2(nowhere, 2);
    signal(SIGABRT, SIG_DFL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(SIGALRM, SIG_DFL);
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    alarm(10);
    _exit(fftw.import_wisdom(wisdom) ? 0 : 1);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return 0;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int switchback_fftw_learn(const char *wisdom) {
  pthread_mutex_lock(&planner);
  int known = can_be_read(wisdom) && fftw.import_wisdom(wisdom);
  pthread_mutex_unlock(&planner);
  return known;
}
#else
const switchback_fftw *switchback_fftw_open(const char **reason) {
  *reason = "not built: the package was built without its trait FFT (install libfftw3-dev and build again)";
  return NULL;
}
const void *switchback_fftw_plan(
  const switchback_fftw_shape *shape, double seconds, float *data, uint64_t *fingerprint) {
  return NULL;
}
char *switchback_fftw_wisdom(void) { return NULL; }
int switchback_fftw_learn(const char *wisdom) { return 0; }
#endif
