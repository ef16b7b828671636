/* The publishing side: events by number, over HTTP (one POST each, or one for all that is due) or by XADD. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "template.h"
#include "wire.h"

/* batch        a body in which `**` becomes all events that are due at once, NULL for a POST each.
   connections  keep-alive, each with one request under way.
   redis_key    not NULL: XADD to this key, ids `first_position`-0 and on, in `redis_field`, trimmed to about `redis_window` entries.
   owners       the stream that each event is for, NULL when all are; `targets` are the targets of the streams.
   rate         events a second; their clock is then when they were due. 0: when they were made. */
struct publishing {
    const char *host, *path, *headers, *batch, *redis_key, *redis_field, *redis_password;
    struct template *template;
    int port;
    size_t connections, redis_window;
    uint64_t first_position;
    const uint32_t *owners;
    struct lines targets;
    double rate;
};

struct published {
    uint64_t made, requests, answered, refused;
};

/* Connections go into `loop` with `tag` + their index as data. */
void begin_publishing(const struct publishing *plan, int loop, uint64_t tag, struct published *published);

/* Publishes events up to this number (exclusive) as far as connections are free; to be called again after `serve_publisher`. */
void publish_up_to(uint64_t number, uint64_t began_ns);
void serve_publisher(size_t index);
