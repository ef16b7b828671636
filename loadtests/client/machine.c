#include "machine.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

struct pids pids_in(const char *comma_separated) {
    struct pids pids = {.count = 0};
    for (const char *at = comma_separated; at && *at && pids.count < MOST_PIDS; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        pids.of[pids.count++] = atoi(at);
    return pids;
}

static uint64_t cpu_ns_of_task(int pid, const char *task) {
    char path[512];
    unsigned long long spent = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, task);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    if (fscanf(file, "%llu", &spent) != 1) spent = 0;
    fclose(file);
    return spent;
}

uint64_t cpu_ns(int pid) {
    char path[64];
    uint64_t spent = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks) return 0;
    for (struct dirent *entry; (entry = readdir(tasks));)
        if (entry->d_name[0] != '.') spent += cpu_ns_of_task(pid, entry->d_name);
    closedir(tasks);
    return spent;
}

uint64_t cpu_ns_of_all(const struct pids *pids) {
    uint64_t spent = 0;
    for (size_t i = 0; i < pids->count; i++) spent += cpu_ns(pids->of[i]);
    return spent;
}

static long own_kib(int pid) {
    char path[64], line[256];
    long sum = 0, part;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %ld", &part) == 1 || sscanf(line, "RssShmem: %ld", &part) == 1) sum += part;
    fclose(file);
    return sum;
}

long memory_kib(const struct pids *pids) {
    long sum = 0;
    for (size_t i = 0; i < pids->count; i++) sum += own_kib(pids->of[i]);
    return sum;
}

double own_cpu_s(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

void raise_descriptor_limit(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void fail(const char *what) {
    fprintf(stderr, "%s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}
