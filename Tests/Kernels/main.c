/* Runs all tests for one set of kernels; or plants faults, which must all be seen.
 *
 *   kernels_test SET              exit status 0: all holds; 77: this CPU has no such set
 *   kernels_test SET --planted    one kernel of the table after the other does nothing, and one part of each variant
 *
 * So the table itself is the list of what has to be tested: an entry that no test asks about is named and fails. Its
 * entries are listed by kernels.py, of the header (entries.h). */
#include "check.h"
#include "entries.h"

#include <sys/wait.h>
#include <unistd.h>

static void run_tests(const sb_kernels *k) {
  test_elementwise(k);
  test_random_numbers(k);
  test_reductions(k);
  test_softmax(k);
  test_updates(k);
  test_normalize(k);
  test_batch_normalization(k);
  test_recurrences(k);
  test_pooling(k);
  test_products(k);
  test_convolutions(k);
  test_pooled_gradients(k);
}

static int64_t nothing(void) { return 0; }

/* Whether some test fails, or ends, with these kernels. */
static int is_seen(const sb_kernels *k) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    is_planted = 1;
    alarm(300);
    run_tests(k);
    _exit(failures ? 1 : 0);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && status != 0;
}

static int unseen;
static void plant(const sb_kernels *k, void *entry, const char *table, const char *name) {
  void *honest = *(void **)entry, *fault = (void *)nothing;
  /* What leads is a question of time, not of right. */
  if (!honest || strstr(name, "leads")) return;
  memcpy(entry, &fault, sizeof fault);
  checks++;
  if (!is_seen(k)) printf("FAILED: %s, %s: no test asks about it\n", table, name), unseen++;
  memcpy(entry, &honest, sizeof honest);
}

static void plant_in_variants(const sb_kernels *k) {
  static const char *const passes[] = {"forward", "backward input", "backward filter"};
  sb_kernels own = *k;
  for (int pass = 0; pass < 3; pass++) {
    sb_convolution_variant list[33] = {0};
    for (int i = 0; i < 32 && k->convolution[pass][i].name; i++) list[i] = k->convolution[pass][i];
    own.convolution[pass] = list;
    for (sb_convolution_variant *v = list; v->name; v++) {
      char name[100];
      snprintf(name, sizeof name, "%s, %s %s", k->name, v->name, passes[pass]);
      /* Sizes may be 0; what is too small is seen by what is written beyond. */
#define PLANT(entry) if (!strstr(#entry, "bytes") && strcmp(#entry, "panels")) plant(&own, &v->entry, name, #entry);
      VARIANT_ENTRIES(PLANT)
#undef PLANT
    }
    own.convolution[pass] = k->convolution[pass];
  }
}

static void plant_in_table(const sb_kernels *k) {
  sb_kernels own = *k;
#define PLANT(entry) plant(&own, &own.entry, k->name, #entry);
  TABLE_ENTRIES(PLANT)
#undef PLANT
}

int main(int count, char **arguments) {
  const sb_kernels *k = count > 1 ? sb_kernels_named(arguments[1]) : NULL;
  if (!k) return 77;
  if (count > 2 && strcmp(arguments[2], "--planted") == 0) {
    plant_in_table(k);
    plant_in_variants(k);
    printf("%lld planted, %d unseen\n", (long long)checks, unseen);
    return unseen > 0;
  }
  run_tests(k);
  printf("%lld checks, %lld failed\n", (long long)checks, (long long)failures);
  return failures > 0;
}
