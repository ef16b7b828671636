#define _GNU_SOURCE
#include "listeners.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "machine.h"
#include "template.h"

#define MARK (CLOCK_DIGITS + 1 + NUMBER_DIGITS)

enum phase { CONNECTING, ASKED, OPEN, CLOSED };

/* mark: what came so far of a mark that two reads share.   ends: how much of an empty line the head has shown. */
struct listener {
    int fd;
    uint32_t received;
    uint8_t phase, ends, has_of_mark, in_mark;
    char mark[MARK];
};

static struct listening plan;
static struct heard *heard;
static struct listener *listeners;
static uint8_t *seen; /* a bit for every stream and checked event */
static size_t begun;
static int loop;
static char buffer[1 << 19];

static void connect_next(void) {
    struct listener *listener = &listeners[begun];
    uint32_t source = plan.first_source ? plan.first_source + (uint32_t)(begun / plan.per_address) : 0;
    listener->fd = connect_from(plan.host, plan.port, source);
    struct epoll_event interest = {.events = EPOLLOUT, .data.u64 = begun};
    epoll_ctl(loop, EPOLL_CTL_ADD, listener->fd, &interest);
    begun++;
}

void begin_listening(const struct listening *asked, int in_loop, struct heard *into) {
    plan = *asked;
    loop = in_loop;
    heard = into;
    listeners = calloc(plan.count, sizeof *listeners);
    if (plan.checked && !plan.owners) seen = calloc(plan.count * ((plan.checked + 7) / 8), 1);
    if (plan.checked && plan.owners) seen = calloc((plan.checked + 7) / 8, 1);
    if (!listeners || (plan.checked && !seen)) fail("memory");
    while (begun < plan.count && begun < plan.in_flight) connect_next();
}

static void append_path(struct bytes *to, size_t index) {
    const char *hole = plan.targets.count ? strstr(plan.path, "%%") : NULL;
    if (!hole) append_text(to, "%s", plan.path);
    else append_text(to, "%.*s%s%s", (int)(hole - plan.path), plan.path, plan.targets.at[index % plan.targets.count], hole + 2);
}

static void ask(size_t index) {
    static struct bytes request;
    struct listener *listener = &listeners[index];
    size_t sent = request.length = 0;
    append_text(&request, "GET ");
    append_path(&request, index);
    append_text(&request, " HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n%s", plan.headers);
    if (plan.own_headers.count) append_text(&request, "%s\r\n", plan.own_headers.at[index % plan.own_headers.count]);
    append_text(&request, "\r\n");
    if (!send_some(listener->fd, &request, &sent) || sent < request.length) fail("a stream could not be asked for");
    struct epoll_event interest = {.events = EPOLLIN, .data.u64 = index};
    epoll_ctl(loop, EPOLL_CTL_MOD, listener->fd, &interest);
    listener->phase = ASKED;
}

/* Whether this stream should have the event, and has it now for the first time. */
static bool is_new(size_t index, uint64_t number) {
    if (!plan.checked) return true;
    if (number >= plan.checked || (plan.owners && plan.owners[number] != index)) {
        heard->strays++;
        return false;
    }
    uint8_t *byte = seen + (plan.owners ? 0 : index * ((plan.checked + 7) / 8)) + number / 8, bit = (uint8_t)(1 << number % 8);
    if (*byte & bit) {
        heard->duplicates++;
        return false;
    }
    *byte |= bit;
    return true;
}

static bool read_digits(const char *from, int count, uint64_t *number) {
    *number = 0;
    for (int i = 0; i < count; i++) {
        if (from[i] < '0' || from[i] > '9') return false;
        *number = *number * 10 + (uint64_t)(from[i] - '0');
    }
    return true;
}

static void note_mark(size_t index, const char *mark, uint64_t now) {
    uint64_t clock, number;
    if (!read_digits(mark, CLOCK_DIGITS, &clock) || mark[CLOCK_DIGITS] != '.' || !read_digits(mark + CLOCK_DIGITS + 1, NUMBER_DIGITS, &number)) {
        heard->garbled++;
        return;
    }
    if (!is_new(index, number)) return;
    listeners[index].received++;
    heard->delivered++;
    note_duration(&heard->latencies, now > clock ? now - clock : 0);
}

/* The rest of a mark that an earlier read began. Answers how much of the data it took. */
static size_t finish_mark(size_t index, const char *data, size_t length, uint64_t now) {
    struct listener *listener = &listeners[index];
    size_t lacks = (size_t)MARK - listener->has_of_mark, takes = lacks < length ? lacks : length;
    memcpy(listener->mark + listener->has_of_mark, data, takes);
    listener->has_of_mark += (uint8_t)takes;
    if (listener->has_of_mark == MARK) {
        listener->in_mark = false;
        note_mark(index, listener->mark, now);
    }
    return takes;
}

static void hear(size_t index, const char *data, size_t length, uint64_t now) {
    const char *end = data + length;
    if (listeners[index].in_mark) data += finish_mark(index, data, length, now);
    while (data < end && (data = memchr(data, '~', (size_t)(end - data)))) {
        data++;
        if (end - data < MARK) {
            listeners[index].in_mark = true;
            listeners[index].has_of_mark = 0;
            finish_mark(index, data, (size_t)(end - data), now);
            return;
        }
        note_mark(index, data, now);
        data += MARK;
    }
}

/* The bytes of the head at the front of `data`. */
static size_t pass_head(struct listener *listener, const char *data, size_t length) {
    size_t at = 0;
    while (at < length && listener->ends < 4) {
        char expected = listener->ends % 2 ? '\n' : '\r';
        listener->ends = data[at] == expected ? listener->ends + 1 : data[at] == '\r';
        at++;
    }
    return at;
}

static size_t open_up(size_t index, const char *data, size_t length) {
    struct listener *listener = &listeners[index];
    if (length > 12 && !memcmp(data, "HTTP/1.", 7) && memcmp(data + 9, "200", 3)) {
        fprintf(stderr, "stream %zu was refused: %.*s\n", index, (int)(length < 600 ? length : 600), data);
        exit(1);
    }
    size_t head = pass_head(listener, data, length);
    if (listener->ends == 4) {
        listener->phase = OPEN;
        heard->open++;
        if (begun < plan.count) connect_next();
    }
    return head;
}

static void lose(size_t index) {
    struct listener *listener = &listeners[index];
    if (listener->phase != OPEN) {
        fprintf(stderr, "stream %zu ended before it was open: %s\n", index, strerror(errno));
        exit(1);
    }
    close(listener->fd);
    listener->phase = CLOSED;
    heard->closed++;
}

void attend(size_t index, uint32_t readiness) {
    struct listener *listener = &listeners[index];
    if (listener->phase == CONNECTING && !(readiness & (EPOLLERR | EPOLLHUP))) {
        ask(index);
        return;
    }
    ssize_t got = recv(listener->fd, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        lose(index);
        return;
    }
    uint64_t now = now_ns();
    heard->reads++;
    heard->bytes += (uint64_t)got;
    heard->last_ns = now;
    size_t head = listener->phase == ASKED ? open_up(index, buffer, (size_t)got) : 0;
    hear(index, buffer + head, (size_t)got - head, now);
}

void extremes(uint32_t *fewest, uint32_t *most) {
    *fewest = UINT32_MAX;
    *most = 0;
    for (size_t i = 0; i < plan.count; i++) {
        if (listeners[i].received < *fewest) *fewest = listeners[i].received;
        if (listeners[i].received > *most) *most = listeners[i].received;
    }
}
