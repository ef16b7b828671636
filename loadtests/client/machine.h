/* The clock, and the kernel's books on other processes. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define MOST_PIDS 64

struct pids {
    int of[MOST_PIDS];
    size_t count;
};

uint64_t now_ns(void);
struct pids pids_in(const char *comma_separated);

/* Nanoseconds on a processor of all threads of a process so far; 0 when it is gone. */
uint64_t cpu_ns(int pid);
uint64_t cpu_ns_of_all(const struct pids *pids);

/* Memory that is the processes' own: anonymous and shared memory, so that libraries and mapped files do not count. */
long memory_kib(const struct pids *pids);

/* Ours, user and system. */
double own_cpu_s(void);

void raise_descriptor_limit(void);
void fail(const char *what) __attribute__((noreturn));
