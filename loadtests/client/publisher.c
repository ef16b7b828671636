#define _GNU_SOURCE
#include "publisher.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"
#include "machine.h"

#define MOST_CONNECTIONS 256
#define MOST_COMPLAINTS 3

static struct publishing plan;
static struct published *published;
static struct call calls[MOST_CONNECTIONS];
static int loop;
static uint64_t tag;

static void open_call(size_t index) {
    calls[index].fd = connect_from(plan.host, plan.port, 0);
    calls[index].is_busy = false;
    struct epoll_event interest = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u64 = tag + index};
    epoll_ctl(loop, EPOLL_CTL_ADD, calls[index].fd, &interest);
}

static void sign_in_to_redis(void) {
    if (plan.redis_password && *plan.redis_password)
        append_text(&calls[0].out, "*2\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n", strlen(plan.redis_password), plan.redis_password);
}

void begin_publishing(const struct publishing *asked, int in_loop, uint64_t with_tag, struct published *into) {
    plan = *asked;
    loop = in_loop;
    tag = with_tag;
    published = into;
    if (plan.redis_key) plan.connections = 1;
    if (plan.connections > MOST_CONNECTIONS) plan.connections = MOST_CONNECTIONS;
    for (size_t i = 0; i < plan.connections; i++) open_call(i);
    if (plan.redis_key) sign_in_to_redis();
}

static void append_event(struct bytes *out, uint64_t began_ns) {
    struct event event = {.number = published->made++};
    event.clock = plan.rate > 0 ? began_ns + (uint64_t)((double)event.number / plan.rate * 1e9) : now_ns();
    event.position = plan.first_position + event.number;
    if (plan.targets.count) event.target = plan.targets.at[(plan.owners ? plan.owners[event.number] : 0) % plan.targets.count];
    render(plan.template, &event, out);
}

/* Redis */

static void append_argument(struct bytes *out, const void *data, size_t length) {
    append_text(out, "$%zu\r\n", length);
    append(out, data, length);
    append(out, "\r\n", 2);
}

static void append_xadd(struct bytes *out, uint64_t began_ns) {
    static struct bytes body;
    char window[24], id[32];
    body.length = 0;
    int id_length = snprintf(id, sizeof id, "%llu-0", (unsigned long long)(plan.first_position + published->made));
    int window_length = snprintf(window, sizeof window, "%zu", plan.redis_window);
    append_event(&body, began_ns);
    append_text(out, "*8\r\n$4\r\nXADD\r\n");
    append_argument(out, plan.redis_key, strlen(plan.redis_key));
    append_text(out, "$6\r\nMAXLEN\r\n$1\r\n~\r\n");
    append_argument(out, window, (size_t)window_length);
    append_argument(out, id, (size_t)id_length);
    append_argument(out, plan.redis_field, strlen(plan.redis_field));
    append_argument(out, body.data, body.length);
    published->requests++;
}

static void flush_redis(void) {
    struct call *call = &calls[0];
    if (!send_some(call->fd, &call->out, &call->sent)) fail("Redis is gone");
    if (call->sent == call->out.length) call->sent = call->out.length = 0;
}

/* Answers are lines: $… and the id, or -ERR …; +OK to AUTH. */
static void read_redis(void) {
    static char previous = '\n';
    char part[65536];
    ssize_t got;
    while ((got = recv(calls[0].fd, part, sizeof part, 0)) > 0)
        for (ssize_t i = 0; i < got; previous = part[i++]) {
            if (part[i] == '$') published->answered++;
            if (part[i] != '-' || previous != '\n') continue;
            if (published->refused++ < MOST_COMPLAINTS) fprintf(stderr, "Redis answered %.*s\n", (int)(got - i < 200 ? got - i : 200), part + i);
        }
    if (got == 0 || errno != EAGAIN) fail("Redis is gone");
}

/* HTTP */

static void compose(struct bytes *out, uint64_t up_to, uint64_t began_ns) {
    const char *items = plan.batch ? strstr(plan.batch, "**") : NULL;
    out->length = 0;
    if (!items) {
        append_event(out, began_ns);
        return;
    }
    append(out, plan.batch, (size_t)(items - plan.batch));
    while (published->made < up_to) {
        append_event(out, began_ns);
        if (published->made < up_to) append(out, ",", 1);
    }
    append_text(out, "%s", items + 2);
}

/* The path, whose `%%` is the target of the next event. */
static const char *path_of_next(void) {
    static struct bytes path;
    const char *hole = plan.targets.count ? strstr(plan.path, "%%") : NULL;
    if (!hole) return plan.path;
    const char *target = plan.targets.at[(plan.owners ? plan.owners[published->made] : 0) % plan.targets.count];
    path.length = 0;
    append_text(&path, "%.*s%s%s", (int)(hole - plan.path), plan.path, target, hole + 2);
    return path.data;
}

static void reopen(size_t index) {
    close(calls[index].fd);
    open_call(index);
}

static void post_next(size_t index, uint64_t up_to, uint64_t began_ns) {
    static struct bytes body;
    const char *path = path_of_next();
    compose(&body, up_to, began_ns);
    published->requests++;
    if (!post(&calls[index], path, plan.headers, &body)) fail("a publisher's connection is gone");
}

static void note_answer(const struct answer *answer) {
    published->answered++;
    if (answer->status >= 200 && answer->status < 300) return;
    if (published->refused++ < MOST_COMPLAINTS)
        fprintf(stderr, "a publish was answered %d: %.*s\n", answer->status, (int)(answer->body_length < 300 ? answer->body_length : 300), answer->body);
}

static void serve_http(size_t index) {
    struct answer answer;
    struct call *call = &calls[index];
    if (call->is_busy && !send_some(call->fd, &call->out, &call->sent)) fail("a publisher's connection is gone");
    enum received received = receive(call, &answer);
    if (received == ANSWERED) note_answer(&answer);
    if (received == LOST && call->is_busy) fail("a publisher's connection ended under a request");
    if (received == LOST || (received == ANSWERED && answer.closes)) reopen(index);
}

void publish_up_to(uint64_t number, uint64_t began_ns) {
    if (plan.redis_key) {
        while (published->made < number) append_xadd(&calls[0].out, began_ns);
        flush_redis();
        return;
    }
    for (size_t i = 0; i < plan.connections && published->made < number; i++)
        if (!calls[i].is_busy) post_next(i, number, began_ns);
}

void serve_publisher(size_t index) {
    if (!plan.redis_key) {
        serve_http(index);
        return;
    }
    flush_redis();
    read_redis();
}
