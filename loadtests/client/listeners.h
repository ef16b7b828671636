/* The listening side of the load: many event streams, opened, counted, timed, and checked event by event. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "samples.h"
#include "wire.h"

/* What is asked.
   headers      of every stream, each with its line end.   own_headers: one more line a stream, in turn.
   targets      of the streams, in turn: what `%%` in the path becomes.
   per_address  streams from one source address; 28,000 ports are what Linux gives to one pair of addresses.
   in_flight    opened at once.
   checked      the numbers of events below this are checked: each at every stream exactly once, or with `owners`
                (the stream of every event) at that one. 0: nothing is checked. */
struct listening {
    const char *host, *path, *headers;
    int port;
    size_t count, per_address, in_flight;
    uint32_t first_source;
    struct lines own_headers, targets;
    uint64_t checked;
    const uint32_t *owners;
};

/* What was seen. delivered: without duplicates.   strays: events that this stream should not have had.   garbled: marks cut short. */
struct heard {
    size_t open, closed;
    uint64_t delivered, duplicates, strays, garbled, reads, bytes, last_ns;
    struct samples latencies;
};

/* Streams go into `loop` with their index as data. Returns at once; `attend` opens them, `in_flight` at a time. */
void begin_listening(const struct listening *plan, int loop, struct heard *heard);
void attend(size_t index, uint32_t readiness);

/* The fewest and the most events that any stream got. */
void extremes(uint32_t *fewest, uint32_t *most);
