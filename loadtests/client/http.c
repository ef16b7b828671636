#define _GNU_SOURCE
#include "http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

bool post(struct call *call, const char *path, const char *headers, const struct bytes *body) {
    call->out.length = call->sent = call->in.length = 0;
    append_text(&call->out, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n%s\r\n", path, body->length, headers);
    append(&call->out, body->data, body->length);
    call->is_busy = true;
    return send_some(call->fd, &call->out, &call->sent);
}

/* The value of a header, or NULL. The head ends with an empty line, so the search stays inside it. */
static const char *header(const char *head, const char *end, const char *name) {
    size_t length = strlen(name);
    for (const char *line = head; (line = memmem(line, (size_t)(end - line), "\r\n", 2));) {
        line += 2;
        if (line + length < end && !strncasecmp(line, name, length) && line[length] == ':') return line + length + 1 + (line[length + 1] == ' ');
    }
    return NULL;
}

static bool is_whole(const struct bytes *in, const char *head_end, struct answer *answer) {
    const char *length = header(in->data, head_end, "content-length"), *coding = header(in->data, head_end, "transfer-encoding");
    answer->body = head_end + 4;
    answer->body_length = in->length - (size_t)(answer->body - in->data);
    if (length) return answer->body_length >= strtoull(length, NULL, 10);
    if (coding && !strncasecmp(coding, "chunked", 7)) return answer->body_length >= 5 && !memcmp(in->data + in->length - 5, "0\r\n\r\n", 5);
    return true;
}

static bool decode(const struct bytes *in, struct answer *answer) {
    const char *head_end = memmem(in->data, in->length, "\r\n\r\n", 4);
    if (!head_end || !is_whole(in, head_end, answer)) return false;
    const char *retry = header(in->data, head_end, "retry-after"), *connection = header(in->data, head_end, "connection");
    answer->status = in->length > 12 ? atoi(in->data + 9) : 0;
    answer->retry_after_s = retry ? atoi(retry) : -1;
    answer->closes = connection && !strncasecmp(connection, "close", 5);
    return true;
}

enum received receive(struct call *call, struct answer *answer) {
    char part[65536];
    for (;;) {
        ssize_t got = recv(call->fd, part, sizeof part, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN)) return LOST;
        if (got < 0) return INCOMPLETE;
        append(&call->in, part, (size_t)got);
        if (call->is_busy && decode(&call->in, answer)) {
            call->is_busy = false;
            return ANSWERED;
        }
    }
}
