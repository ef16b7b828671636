/* A keep-alive connection that carries one POST at a time. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

struct call {
    int fd;
    bool is_busy;
    struct bytes out, in;
    size_t sent;
    uint64_t began_ns; /* when it was due, which may be before it was sent */
};

struct answer {
    int status, retry_after_s; /* -1: no Retry-After in seconds */
    bool closes;
    const char *body;
    size_t body_length;
};

enum received { INCOMPLETE, ANSWERED, LOST };

/* Composes and sends; what does not go out now goes with the next `send_some` of it. */
bool post(struct call *call, const char *path, const char *headers, const struct bytes *body);

/* Reads what there is. `answer` points into `call->in`, which stays until the next post. */
enum received receive(struct call *call, struct answer *answer);
