/* How many cores this process may use: those of its affinity, fewer where a control group gives it less time. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker_pool.h"

static uint32_t in_affinity(void) {
  /* Of machines with more cores than a cpu_set_t holds. */
  for (int cores = 1024; cores <= 1 << 20; cores *= 4) {
    cpu_set_t *set = CPU_ALLOC(cores);
    if (!set) break;
    size_t bytes = CPU_ALLOC_SIZE(cores);
    int failed = sched_getaffinity(0, bytes, set);
    int count = failed ? 0 : CPU_COUNT_S(bytes, set);
    CPU_FREE(set);
    if (count > 0) return (uint32_t)count;
  }
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (uint32_t)online : 1;
}

/* The first line of a file; whether there is one. */
static int first_line(const char *path, char *line, int room) {
  FILE *file = fopen(path, "re");
  if (!file) return 0;
  int found = fgets(line, room, file) != NULL;
  fclose(file);
  return found;
}

/* Cores' worth of time, rounded up; 0 where there is no limit. */
static uint32_t cores_of(long long quota, long long period) {
  if (quota <= 0 || period <= 0) return 0;
  long long cores = quota / period + (quota % period != 0);
  return cores < UINT32_MAX ? (uint32_t)cores : 0;
}

static uint32_t least(uint32_t a, uint32_t b) { return b != 0 && b < a ? b : a; }

/* The limits of the group and of those above it (Linux, Documentation/admin-guide/cgroup-v2.rst, cpu.max; and
 * cgroup-v1, cpu.cfs_quota_us). Inside a container its own group is the root. */
static uint32_t in_groups(const char *root, uint32_t cores) {
  char path[4096 + 256], line[4096];
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  FILE *groups = fopen(path, "re");
  if (!groups) return cores;
  while (fgets(line, sizeof line, groups)) {
    line[strcspn(line, "\n")] = 0;
    char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) continue;
    *group++ = 0;
    controllers++;
    int is_v2 = *controllers == 0;
    char marked[4100];
    snprintf(marked, sizeof marked, ",%s,", controllers);
    if (!is_v2 && !strstr(marked, ",cpu,")) continue;
    for (;;) {
      char text[128], folder[4096 + 64];
      long long quota = 0, period = 0;
      snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s%s", root, is_v2 ? "" : "/cpu", strcmp(group, "/") ? group : "");
      if (is_v2) {
        snprintf(path, sizeof path, "%s/cpu.max", folder);
        if (first_line(path, text, sizeof text) && sscanf(text, "%lld %lld", &quota, &period) != 2) quota = 0;
      } else {
        snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
        if (first_line(path, text, sizeof text)) quota = atoll(text);
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        if (first_line(path, text, sizeof text)) period = atoll(text);
      }
      cores = least(cores, cores_of(quota, period));
      char *last = strrchr(group, '/');
      if (!last || !strcmp(group, "/")) break;
      if (last == group)
        group[1] = 0;
      else
        *last = 0;
    }
  }
  fclose(groups);
  return cores;
}

uint32_t sb_usable_cores(const char *root) { return in_groups(root, in_affinity()); }
