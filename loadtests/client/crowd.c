/* A crowd of streams that leaves and comes back, and notices every event that is missing, twice, out of order or somebody else's.

   crowd PORT TOKENS STREAMS FIRST SOURCES

   PORT on 127.0.0.1; TOKENS, a file with one a line; stream i opens for the k-th time with token (i + k * STREAMS) modulo their number.
   Connections come from the loopback addresses 127.0.0.FIRST and the SOURCES - 1 after it, in turn: an address has 28,000 ports.

   What is published carries a marker: ~a.NUMBER.CLOCK~ for everyone, numbered 1, 2, 3 …; ~o.STREAM.CLOCK~ for one stream's subscriber.
   CLOCK: CLOCK_MONOTONIC in nanoseconds when it was published.

   Commands, a line each; each is answered with one line of JSON:
     open COUNT TOGETHER SECONDS           the first COUNT streams, TOGETHER at a time; answered when all have their head
     drop                                  close every stream; each keeps its cursor
     resume TOGETHER NUMBER OWN SECONDS    open again with the cursors; answered when each has come to NUMBER and had OWN of its own
     until NUMBER OWN SECONDS              the same without opening
     port PORT                             where to open from now on
     tokens PATH                           other tokens, from now on
     churn RATE                            from now on close and reopen so many streams a second, in turn; 0 ends it
     report                                what was seen, and how long things took since the last report ([milliseconds, how often] …)
   A command that is not done after SECONDS is answered with "done": false. The end of standard input ends the crowd. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum state { CLOSED, CONNECTING, HEAD, READY };

struct stream {
    int fd;
    enum state state;
    int is_content;        /* does it have what the command asks for? */
    int is_ok;             /* was the status 200? */
    uint32_t turns;        /* how often it has been opened */
    uint32_t number;       /* of the last event for everyone */
    uint32_t own;          /* events of its own so far */
    uint32_t rest_size;
    uint64_t position;     /* of the last event that was complete: its cursor */
    uint64_t pending;      /* of the event that is arriving */
    uint64_t since;        /* when connecting began */
    char *rest;            /* the beginning of a line whose end has not come */
};

#define LONGEST_MS 60000
struct times { uint32_t often[LONGEST_MS + 1]; };

static struct stream *streams;
static int stream_count, opened_up_to, open_count, on_their_way;
static char **tokens;
static int token_count;
static int port, first_source, source_count, epoll;
static char epoch[64];
static struct times deliveries, openings;
static uint64_t connects, events, gaps, repeats, backward, foreign, resets, lost, refused, failed;
static double churn_rate;
static uint64_t churn_since, churned;
static int churn_next;
static char buffer[1 << 18], scratch[1 << 20];

/* The command that is under way. */
static struct { int is_active, is_opening, together, next, up_to; uint32_t number, own; int content; uint64_t began, until, ready_at; } goal;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void note(struct times *times, uint64_t from, uint64_t to) {
    uint64_t ms = to > from ? (to - from) / 1000000 : 0;
    times->often[ms > LONGEST_MS ? LONGEST_MS : ms]++;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* Is the stream as the command wants it? */
static void judge(struct stream *s) {
    int is_there = s->state == READY || !goal.is_opening;
    int is_content = is_there && s->number >= goal.number && s->own >= goal.own;
    goal.content += is_content - s->is_content;
    s->is_content = is_content;
}

/* together: how many may be on their way at a time; 0 when none is to be opened. */
static void set_goal(uint32_t number, uint32_t own, int together, double seconds) {
    goal.is_active = 1;
    goal.is_opening = together > 0;
    goal.together = together;
    goal.next = 0;
    goal.number = number;
    goal.own = own;
    goal.up_to = opened_up_to;
    goal.began = now();
    goal.ready_at = 0;
    goal.until = goal.began + (uint64_t)(seconds * 1e9);
    goal.content = 0;
    for (int i = 0; i < opened_up_to; i++) {
        streams[i].is_content = 0;
        judge(&streams[i]);
    }
}

/* Connections */

static void close_stream(struct stream *s) {
    if (s->state == CLOSED)
        return;
    close(s->fd);
    if (s->state != READY)
        on_their_way--;
    else
        open_count--;
    s->state = CLOSED;
    free(s->rest);
    s->rest = NULL;
    s->rest_size = 0;
    judge(s);
}

static void send_request(struct stream *s) {
    int index = (int)(s - streams);
    uint64_t turn = s->turns - 1;
    char request[8192], cursor[128] = "";
    if (s->position)
        snprintf(cursor, sizeof cursor, "Last-Event-ID: %s.%llu\r\n", epoch, (unsigned long long)s->position);
    int size = snprintf(request, sizeof request,
        "GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: text/event-stream\r\nAuthorization: Bearer %s\r\n%s\r\n",
        port, tokens[((uint64_t)index + turn * (uint64_t)stream_count) % (uint64_t)token_count], cursor);
    ssize_t written = send(s->fd, request, (size_t)size, MSG_NOSIGNAL);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
    if (written == size) {
        s->state = HEAD;
        epoll_ctl(epoll, EPOLL_CTL_MOD, s->fd, &event);
    } else if (written < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
        event.events = EPOLLOUT;
        epoll_ctl(epoll, EPOLL_CTL_MOD, s->fd, &event);
    } else {
        failed++;
        close_stream(s);
    }
}

static void open_stream(int index) {
    struct stream *s = &streams[index];
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    if (s->state != CLOSED)
        return;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        die("socket");
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    from.sin_addr.s_addr = htonl(0x7f000000u + (uint32_t)(first_source + index % source_count));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(s->fd, (struct sockaddr *)&from, sizeof from) < 0)
        die("bind");
    s->since = now();
    s->state = CONNECTING;
    s->pending = 0;
    s->is_ok = 0;
    s->turns++;
    connects++;
    on_their_way++;
    if (connect(s->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
        die("connect");
    struct epoll_event event = {.events = EPOLLOUT, .data.u32 = (uint32_t)index};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &event) < 0)
        die("epoll_ctl");
}

/* What arrives */

static void take_marker(struct stream *s, const char *marker, size_t size, uint64_t at) {
    char text[64];
    unsigned long long number, clock;
    char kind;
    if (size >= sizeof text)
        size = sizeof text - 1;
    memcpy(text, marker, size);
    text[size] = 0;
    if (sscanf(text, "~%c.%llu.%llu~", &kind, &number, &clock) != 3)
        return;
    events++;
    note(&deliveries, clock, at);
    if (kind == 'o') {
        s->own++;
        foreign += number != (unsigned long long)(s - streams);
        return;
    }
    if (number <= s->number) {
        repeats++;
        return;
    }
    gaps += number - s->number - 1;
    s->number = (uint32_t)number;
}

static void take_line(struct stream *s, char *line, size_t size, uint64_t at) {
    if (size && line[size - 1] == '\r')
        size--;
    if (s->state == HEAD) {
        if (size > 9 && !memcmp(line, "HTTP/1.", 7)) {
            s->is_ok = !memcmp(line + 9, "200", 3);
            if (!s->is_ok && !refused++)
                fprintf(stderr, "refused: %.*s\n", (int)size, line);
        } else if (size == 0 && s->is_ok) {
            s->state = READY;
            on_their_way--;
            open_count++;
            note(&openings, s->since, at);
        }
    } else if (size == 0) {
        if (s->pending) {
            if (s->pending < s->position)
                backward++;
            s->position = s->pending;
            s->pending = 0;
        }
    } else if (size > 4 && !memcmp(line, "id: ", 4)) {
        char *dot = memchr(line, '.', size);
        if (dot) {
            s->pending = strtoull(dot + 1, NULL, 10);
            snprintf(epoch, sizeof epoch, "%.*s", (int)(dot - line - 4), line + 4);
        }
    } else if (size > 7 && !memcmp(line, "data: ", 6)) {
        char *marker = memchr(line, '~', size);
        if (marker)
            take_marker(s, marker, size - (size_t)(marker - line), at);
    } else if (size == 12 && !memcmp(line, "event: reset", 12)) {
        resets++;
    }
}

static void take(struct stream *s, char *data, size_t size, uint64_t at) {
    if (s->rest_size) {
        if (s->rest_size + size > sizeof scratch) {
            fprintf(stderr, "a line is too long\n");
            exit(1);
        }
        memcpy(scratch, s->rest, s->rest_size);
        memcpy(scratch + s->rest_size, data, size);
        data = scratch;
        size += s->rest_size;
        s->rest_size = 0;
        free(s->rest);
        s->rest = NULL;
    }
    while (size) {
        char *end = memchr(data, '\n', size);
        if (!end)
            break;
        size_t line = (size_t)(end - data);
        take_line(s, data, line, at);
        data += line + 1;
        size -= line + 1;
    }
    if (size) {
        s->rest = malloc(size);
        memcpy(s->rest, data, size);
        s->rest_size = (uint32_t)size;
    }
    judge(s);
}

static void read_stream(struct stream *s) {
    ssize_t size = recv(s->fd, buffer, sizeof buffer, 0);
    if (size > 0) {
        take(s, buffer, (size_t)size, now());
    } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
        if (s->state == READY)
            lost++;
        else if (s->is_ok || s->state == CONNECTING || size < 0)
            failed++;
        close_stream(s);
    }
}

/* Commands */

static void print_times(const char *name, struct times *times) {
    const char *comma = "";
    printf("\"%s\":[", name);
    for (int ms = 0; ms <= LONGEST_MS; ms++)
        if (times->often[ms]) {
            printf("%s[%d,%u]", comma, ms, times->often[ms]);
            comma = ",";
        }
    printf("]");
    memset(times, 0, sizeof *times);
}

static void report(void) {
    printf("{\"open\":%d,\"connects\":%llu,\"events\":%llu,\"gaps\":%llu,\"repeats\":%llu,\"backward\":%llu,\"foreign\":%llu,\"resets\":%llu,"
           "\"lost\":%llu,\"refused\":%llu,\"failed\":%llu,",
        open_count, (unsigned long long)connects, (unsigned long long)events, (unsigned long long)gaps, (unsigned long long)repeats,
        (unsigned long long)backward, (unsigned long long)foreign, (unsigned long long)resets, (unsigned long long)lost,
        (unsigned long long)refused, (unsigned long long)failed);
    print_times("deliveries_ms", &deliveries);
    printf(",");
    print_times("openings_ms", &openings);
    printf("}\n");
}

static void read_tokens(const char *path) {
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t space = 0;
    ssize_t size;
    if (!file)
        die(path);
    while (token_count)
        free(tokens[--token_count]);
    while ((size = getline(&line, &space, file)) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        tokens = realloc(tokens, (size_t)(token_count + 1) * sizeof *tokens);
        tokens[token_count++] = strdup(line);
    }
    free(line);
    fclose(file);
}

static void obey(char *line) {
    double seconds, rate;
    unsigned number, own;
    int count, together;
    if (sscanf(line, "open %d %d %lf", &count, &together, &seconds) == 3) {
        opened_up_to = count > stream_count ? stream_count : count;
        set_goal(0, 0, together, seconds);
    } else if (sscanf(line, "resume %d %u %u %lf", &together, &number, &own, &seconds) == 4) {
        set_goal(number, own, together, seconds);
    } else if (sscanf(line, "until %u %u %lf", &number, &own, &seconds) == 3) {
        set_goal(number, own, 0, seconds);
    } else if (!strncmp(line, "drop", 4)) {
        for (int i = 0; i < opened_up_to; i++)
            close_stream(&streams[i]);
        printf("{\"open\":%d}\n", open_count);
    } else if (sscanf(line, "churn %lf", &rate) == 1) {
        printf("{\"churned\":%llu}\n", (unsigned long long)churned);
        churn_rate = rate;
        churn_since = now();
        churned = 0;
    } else if (sscanf(line, "port %d", &count) == 1) {
        port = count;
        printf("{\"port\":%d}\n", port);
    } else if (!strncmp(line, "tokens ", 7)) {
        read_tokens(line + 7);
        printf("{\"tokens\":%d}\n", token_count);
    } else if (!strncmp(line, "report", 6)) {
        report();
    } else {
        printf("{\"error\":\"no such command\"}\n");
    }
    fflush(stdout);
}

static void pursue_goal(void) {
    if (!goal.is_active)
        return;
    while (goal.is_opening && goal.next < goal.up_to && on_their_way < goal.together)
        open_stream(goal.next++);
    uint64_t at = now();
    if (!goal.ready_at && open_count >= goal.up_to)
        goal.ready_at = at;
    int is_done = goal.content >= goal.up_to && (!goal.is_opening || goal.next >= goal.up_to);
    if (is_done || at >= goal.until) {
        printf("{\"done\":%s,\"content\":%d,\"open\":%d,\"seconds\":%.4f,\"ready_seconds\":%.4f}\n", is_done ? "true" : "false", goal.content,
            open_count, (double)(at - goal.began) / 1e9, goal.ready_at ? (double)(goal.ready_at - goal.began) / 1e9 : -1.0);
        fflush(stdout);
        goal.is_active = 0;
    }
}

static void keep_churning(void) {
    if (churn_rate <= 0 || !opened_up_to)
        return;
    uint64_t due = (uint64_t)((double)(now() - churn_since) / 1e9 * churn_rate);
    for (int looked = 0; churned < due && looked < opened_up_to; looked++) {
        struct stream *s = &streams[churn_next];
        churn_next = (churn_next + 1) % opened_up_to;
        if (s->state == READY || s->state == CLOSED) {
            close_stream(s);
            open_stream((int)(s - streams));
            churned++;
        }
    }
}

static char commands[4096];
static size_t commands_size;

/* 0 when standard input has ended. */
static int read_commands(void) {
    ssize_t size = read(0, commands + commands_size, sizeof commands - 1 - commands_size);
    if (size <= 0)
        return 0;
    commands_size += (size_t)size;
    char *end;
    while ((end = memchr(commands, '\n', commands_size))) {
        *end = 0;
        obey(commands);
        commands_size -= (size_t)(end + 1 - commands);
        memmove(commands, end + 1, commands_size);
    }
    return 1;
}

int main(int count, char **words) {
    enum { AT_ONCE = 1024, STDIN = 0xffffffff };
    static struct epoll_event arrived[AT_ONCE];
    if (count != 6) {
        fprintf(stderr, "usage: crowd PORT TOKENS STREAMS FIRST SOURCES\n");
        return 2;
    }
    port = atoi(words[1]);
    read_tokens(words[2]);
    stream_count = atoi(words[3]);
    first_source = atoi(words[4]);
    source_count = atoi(words[5]);
    if (!token_count || source_count < 1 || stream_count < 1)
        return 2;
    streams = calloc((size_t)stream_count, sizeof *streams);
    epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = STDIN};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event) < 0)
        die("epoll_ctl");
    for (;;) {
        int found = epoll_wait(epoll, arrived, AT_ONCE, churn_rate > 0 ? 1 : 20);
        for (int i = 0; i < found; i++) {
            if (arrived[i].data.u32 == STDIN) {
                if (!read_commands())
                    return 0;
                continue;
            }
            struct stream *s = &streams[arrived[i].data.u32];
            if (s->state == CONNECTING && (arrived[i].events & (EPOLLERR | EPOLLHUP))) {
                failed++;
                close_stream(s);
            } else if (s->state == CONNECTING) {
                send_request(s);
            } else if (s->state != CLOSED) {
                read_stream(s);
            }
        }
        keep_churning();
        pursue_goal();
    }
}
