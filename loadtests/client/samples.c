#include "samples.h"

#include <stdio.h>
#include <stdlib.h>

#include "machine.h"

void note_duration(struct samples *in, uint64_t ns) {
    if (in->count == MOST_SAMPLES) return;
    if (in->count == in->capacity) {
        in->capacity = in->capacity ? 2 * in->capacity : 65536;
        in->us = realloc(in->us, in->capacity * sizeof *in->us);
        if (!in->us) fail("memory");
    }
    uint64_t us = ns / 1000;
    in->us[in->count++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static int by_length(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

static uint32_t percentile(const struct samples *of, double share) {
    return of->count ? of->us[(size_t)((double)(of->count - 1) * share)] : 0;
}

void print_percentiles(struct samples *of) {
    if (of->count) qsort(of->us, of->count, sizeof *of->us, by_length);
    printf("\"p50_us\":%u,\"p90_us\":%u,\"p99_us\":%u,\"p999_us\":%u,\"max_us\":%u", percentile(of, 0.5), percentile(of, 0.9),
           percentile(of, 0.99), percentile(of, 0.999), percentile(of, 1));
}
