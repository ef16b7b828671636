/* publish: posts as fast as N keep-alive connections carry it, or at a rate, and prints one JSON object.

   publish --port P --path /v1/notifications --header 'Authorization: Bearer …' --body '{"to":["u1"],"title":"x","body":"@@"}'
           [--connections 64] [--requests M | --seconds S] [--rate R] [--payload 250] [--targets FILE]
           [--batch '{"notifications":[**]}' --batch-size 100] [--pids 1,2] [--bound 60] [--host 127.0.0.1] [--pause-refused]

   --body       a template, see template.h; targets are taken in turn.   --batch: `**` is replaced by so many bodies.
   --rate       requests a second; latency then counts from when a request was due, so that a stalled server is not flattered.
   --pause-refused  heeds a Retry-After, on the connection that was given it.
   Percentiles are of accepted requests. The exit code is 1 when nothing was answered. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "http.h"
#include "machine.h"
#include "samples.h"
#include "template.h"

#define MOST_CONNECTIONS 4096
#define MOST_ERRORS 3
#define TEXT_OF_ERROR 500

static struct {
    const char *host, *path;
    int port;
    size_t connections, payload, batch_size;
    uint64_t requests;
    double seconds, rate, bound;
    struct bytes headers, body, batch;
    struct lines targets;
    struct pids pids;
    bool pauses;
} plan = {.host = "127.0.0.1", .path = "/", .connections = 64, .payload = 250, .batch_size = 1, .bound = 60};

struct connection {
    struct call call;
    uint64_t resumes_ns; /* heeding a Retry-After; 0 otherwise */
};

static struct connection connections[MOST_CONNECTIONS];
static struct template *body;
static int loop;
static uint64_t began_ns, sent, answered, events, lost, of_status[600];
static int shortest_retry = -1, longest_retry = -1;
static uint64_t retries_seen;
static struct samples latencies;
static struct bytes errors[MOST_ERRORS];
static size_t errors_kept;

static void open_connection(struct connection *connection) {
    struct call *call = &connection->call;
    call->fd = connect_from(plan.host, plan.port, 0);
    call->is_busy = false;
    struct epoll_event interest = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    epoll_ctl(loop, EPOLL_CTL_ADD, call->fd, &interest);
}

static void append_event(struct bytes *out, uint64_t clock) {
    struct event event = {.number = events, .clock = clock, .position = events};
    if (plan.targets.count) event.target = plan.targets.at[events % plan.targets.count];
    render(body, &event, out);
    events++;
}

static void compose(struct bytes *out, uint64_t clock) {
    const char *items = plan.batch.length ? memmem(plan.batch.data, plan.batch.length, "**", 2) : NULL;
    out->length = 0;
    if (!items) {
        append_event(out, clock);
        return;
    }
    append(out, plan.batch.data, (size_t)(items - plan.batch.data));
    for (size_t i = 0; i < plan.batch_size; i++) {
        if (i) append(out, ",", 1);
        append_event(out, clock);
    }
    append(out, items + 2, plan.batch.length - (size_t)(items - plan.batch.data) - 2);
}

/* When the next request is due, or UINT64_MAX when there is none any more. */
static uint64_t next_due(uint64_t now) {
    if (plan.requests && sent >= plan.requests) return UINT64_MAX;
    uint64_t due = plan.rate > 0 ? began_ns + (uint64_t)((double)sent / plan.rate * 1e9) : now;
    if (plan.seconds > 0 && (double)(due - began_ns) / 1e9 >= plan.seconds) return UINT64_MAX;
    return due;
}

static void lose(struct connection *connection) {
    if (connection->call.is_busy) lost++;
    close(connection->call.fd);
    open_connection(connection);
}

static void send_next(struct connection *connection, uint64_t due) {
    static struct bytes made;
    compose(&made, plan.rate > 0 ? due : now_ns());
    connection->call.began_ns = due;
    sent++;
    if (!post(&connection->call, plan.path, plan.headers.data, &made)) lose(connection);
}

static void keep_error(const struct answer *answer) {
    if (errors_kept == MOST_ERRORS) return;
    size_t length = answer->body_length < TEXT_OF_ERROR ? answer->body_length : TEXT_OF_ERROR;
    append(&errors[errors_kept++], answer->body, length);
}

static void note_retry(struct connection *connection, int seconds) {
    retries_seen++;
    if (shortest_retry < 0 || seconds < shortest_retry) shortest_retry = seconds;
    if (seconds > longest_retry) longest_retry = seconds;
    if (plan.pauses) connection->resumes_ns = now_ns() + (uint64_t)seconds * 1000000000u;
}

static void settle(struct connection *connection, const struct answer *answer) {
    answered++;
    of_status[answer->status > 0 && answer->status < 600 ? answer->status : 0]++;
    if (answer->status >= 200 && answer->status < 300)
        note_duration(&latencies, now_ns() - connection->call.began_ns);
    else
        keep_error(answer);
    if (answer->retry_after_s >= 0) note_retry(connection, answer->retry_after_s);
    if (answer->closes) lose(connection);
}

static void serve(struct connection *connection) {
    struct answer answer;
    struct call *call = &connection->call;
    if (call->is_busy && !send_some(call->fd, &call->out, &call->sent)) return lose(connection);
    switch (receive(call, &answer)) {
        case ANSWERED: settle(connection, &answer); break;
        case LOST: lose(connection); break;
        case INCOMPLETE: break;
    }
}

/* Gives every free connection what is due. Answers when to come back, in nanoseconds of the clock. */
static uint64_t send_due(void) {
    uint64_t now = now_ns(), wake = UINT64_MAX;
    for (size_t i = 0; i < plan.connections; i++) {
        struct connection *connection = &connections[i];
        if (connection->call.is_busy) continue;
        if (connection->resumes_ns > now) {
            if (connection->resumes_ns < wake) wake = connection->resumes_ns;
            continue;
        }
        uint64_t due = next_due(now);
        if (due > now) return due < wake ? due : wake;
        send_next(connection, due);
    }
    return wake;
}

static bool is_over(void) {
    uint64_t now = now_ns();
    if ((double)(now - began_ns) / 1e9 > plan.bound) return true;
    return next_due(now) == UINT64_MAX && answered + lost >= sent;
}

static void run(void) {
    struct epoll_event ready[1024];
    began_ns = now_ns();
    while (!is_over()) {
        uint64_t wake = send_due(), now = now_ns(), wait = wake == UINT64_MAX ? 100000000u : wake > now ? wake - now : 0;
        if (wait > 100000000u) wait = 100000000u;
        struct timespec timeout = {.tv_nsec = (long)wait};
        int count = epoll_pwait2(loop, ready, 1024, &timeout, NULL);
        for (int i = 0; i < count; i++) serve(ready[i].data.ptr);
    }
}

static void print_text(const struct bytes *text) {
    putchar('"');
    for (size_t i = 0; i < text->length; i++) {
        unsigned char byte = (unsigned char)text->data[i];
        if (byte == '"' || byte == '\\') printf("\\%c", byte);
        else if (byte < 32 || byte > 126) printf("\\u%04x", byte);
        else putchar(byte);
    }
    putchar('"');
}

static void report(double seconds, double cpu_s) {
    const char *between = "";
    printf("{\"sent\":%llu,\"answered\":%llu,\"lost\":%llu,\"events\":%llu,\"seconds\":%.4f,\"statuses\":{", (unsigned long long)sent,
           (unsigned long long)answered, (unsigned long long)lost, (unsigned long long)events, seconds);
    for (int status = 0; status < 600; status++)
        if (of_status[status]) {
            printf("%s\"%d\":%llu", between, status, (unsigned long long)of_status[status]);
            between = ",";
        }
    printf("},\"accepted\":%zu,\"rate\":%.1f,\"cpu_s\":%.4f,\"retry_after\":", latencies.count, (double)latencies.count / seconds, cpu_s);
    if (retries_seen) printf("{\"count\":%llu,\"shortest_s\":%d,\"longest_s\":%d}", (unsigned long long)retries_seen, shortest_retry, longest_retry);
    else printf("null");
    printf(",\"errors\":[");
    for (size_t i = 0; i < errors_kept; i++) {
        if (i) putchar(',');
        print_text(&errors[i]);
    }
    printf("],");
    print_percentiles(&latencies);
    printf("}\n");
}

enum option_name { HOST, PORT, PATH, HEADER, BODY, BATCH, BATCH_SIZE, CONNECTIONS, REQUESTS, SECONDS, RATE, PAYLOAD, TARGETS, PIDS, BOUND, PAUSE };

static const struct option OPTIONS[] = {
    {"host", 1, 0, HOST},           {"port", 1, 0, PORT},     {"path", 1, 0, PATH},       {"header", 1, 0, HEADER},
    {"body", 1, 0, BODY},           {"batch", 1, 0, BATCH},   {"rate", 1, 0, RATE},       {"batch-size", 1, 0, BATCH_SIZE},
    {"requests", 1, 0, REQUESTS},   {"pids", 1, 0, PIDS},     {"seconds", 1, 0, SECONDS}, {"connections", 1, 0, CONNECTIONS},
    {"payload", 1, 0, PAYLOAD},     {"bound", 1, 0, BOUND},   {"targets", 1, 0, TARGETS}, {"pause-refused", 0, 0, PAUSE},
    {0},
};

static void take(int option, const char *value) {
    switch ((enum option_name)option) {
        case HOST: plan.host = value; break;
        case PORT: plan.port = atoi(value); break;
        case PATH: plan.path = value; break;
        case HEADER: append_text(&plan.headers, "%s\r\n", value); break;
        case BODY: plan.body = bytes_of(value); break;
        case BATCH: plan.batch = bytes_of(value); break;
        case BATCH_SIZE: plan.batch_size = strtoull(value, NULL, 10); break;
        case CONNECTIONS: plan.connections = strtoull(value, NULL, 10); break;
        case REQUESTS: plan.requests = strtoull(value, NULL, 10); break;
        case SECONDS: plan.seconds = atof(value); break;
        case RATE: plan.rate = atof(value); break;
        case PAYLOAD: plan.payload = strtoull(value, NULL, 10); break;
        case TARGETS: plan.targets = lines_in_file(value); break;
        case PIDS: plan.pids = pids_in(value); break;
        case BOUND: plan.bound = atof(value); break;
        case PAUSE: plan.pauses = true; break;
    }
}

static void read_options(int count, char **values) {
    int option;
    while ((option = getopt_long(count, values, "", OPTIONS, NULL)) != -1) {
        if (option == '?') exit(2);
        take(option, optarg);
    }
    append_text(&plan.headers, "%s", "");
    if (!plan.port || !plan.body.length || (!plan.requests && plan.seconds <= 0) || !plan.connections || plan.connections > MOST_CONNECTIONS) {
        fprintf(stderr, "publish needs --port, --body, and --requests or --seconds; see the head of publish.c\n");
        exit(2);
    }
}

int main(int count, char **values) {
    read_options(count, values);
    raise_descriptor_limit();
    body = parse_template(plan.body, plan.payload);
    loop = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < plan.connections; i++) open_connection(&connections[i]);
    usleep(100000);
    uint64_t cpu = cpu_ns_of_all(&plan.pids);
    run();
    double seconds = (double)(now_ns() - began_ns) / 1e9;
    report(seconds, (double)(cpu_ns_of_all(&plan.pids) - cpu) / 1e9);
    return answered ? 0 : 1;
}
