/* Durations, kept one by one, and their percentiles. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct samples {
    uint32_t *us;
    size_t count, capacity;
};

/* The most that is kept (80 MB); what comes later is not. */
#define MOST_SAMPLES 20000000u

void note_duration(struct samples *in, uint64_t ns);

/* Prints `"p50_us":…,"p90_us":…,"p99_us":…,"p999_us":…,"max_us":…` and sorts the samples; zeros when there are none. */
void print_percentiles(struct samples *of);
