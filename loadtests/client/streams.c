/* streams: opens N event streams, publishes events, counts every delivery, and prints one JSON object.

   streams --port P --path /v1/stream --count 1000 [--host 127.0.0.1] [--header 'Name: value'] [--own-headers FILE] [--targets FILE]
           [--per-address 20000] [--first-source 1] [--in-flight 64] [--settle 1] [--hold 0] [--pids 1,2] [--bound 60] [--check] [--unicast]
           [--events M] [--burst 1 | --window 64 | --rate 20 | --await]
     over HTTP  --to-port P --to-path /v1/notifications [--to-header …] --body TEMPLATE [--batch TEMPLATE] [--publishers 4] [--payload 250]
     by XADD    --to-port P --redis-key KEY --redis-field e [--redis-window 10000] [--redis-password …] --first-position 1 --body-file FILE

   --own-headers  a header line for each stream, in turn.   --targets: of streams, events (--unicast) and paths (`%%`), see template.h.
   --per-address  streams from one source address; they come from 127.0.0.1 (--first-source 1) on.
   --burst B      the next B events when all before have reached everyone. 1: one event at a time.
   --window W     at most W events that have not reached everyone.   --rate R: so many a second.
   --await        publishes nothing; waits for M events at every stream. `open` on stderr says that all are open.
   --hold S       only holds the streams that long: what they cost, in CPU and memory.
   --check        every stream must get every event exactly once, and with --unicast its own and no other.
   CPU is the pids', by the kernel's books. Latency counts from the clock in the payload. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "listeners.h"
#include "machine.h"
#include "publisher.h"

#define PUBLISHER 0x100000000u

static struct listening listening = {.host = "127.0.0.1", .path = "/", .headers = "", .count = 100, .per_address = 20000, .in_flight = 64};
static struct publishing publishing = {.host = "127.0.0.1", .path = "/", .headers = "", .connections = 4, .redis_field = "e", .redis_window = 10000};
static struct heard heard;
static struct published published;
static struct pids pids;
static struct bytes headers, to_headers, body;
static uint64_t events, burst = 1, window;
static size_t payload = 250;
static double settle_s = 1, hold_s, bound_s = 60;
static bool checks, is_unicast, awaits;
static int loop;

struct costs {
    uint64_t at_ns, cpu_ns[MOST_PIDS], cpu_all_ns;
    long memory_kib;
    double own_s;
};

static struct costs costs_now(void) {
    struct costs costs = {.at_ns = now_ns(), .memory_kib = memory_kib(&pids), .own_s = own_cpu_s()};
    for (size_t i = 0; i < pids.count; i++) costs.cpu_all_ns += costs.cpu_ns[i] = cpu_ns(pids.of[i]);
    return costs;
}

static double seconds_between(uint64_t from_ns, uint64_t to_ns) { return (double)(to_ns - from_ns) / 1e9; }

static void wait_and_serve(uint64_t wait_ns) {
    static struct epoll_event ready[2048];
    struct timespec timeout = {.tv_nsec = (long)wait_ns};
    int count = epoll_pwait2(loop, ready, sizeof ready / sizeof *ready, &timeout, NULL);
    for (int i = 0; i < count; i++) {
        uint64_t who = ready[i].data.u64;
        if (who >= PUBLISHER) serve_publisher(who - PUBLISHER);
        else attend(who, ready[i].events);
    }
}

static void serve_for(double seconds) {
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    for (uint64_t now; (now = now_ns()) < end;) wait_and_serve(end - now < 50000000u ? end - now : 50000000u);
}

static void open_all(void) {
    uint64_t began = now_ns();
    begin_listening(&listening, loop, &heard);
    while (heard.open < listening.count) {
        wait_and_serve(50000000u);
        if (seconds_between(began, now_ns()) > bound_s) {
            errno = 0;
            fprintf(stderr, "%zu of %zu streams were open; ", heard.open, listening.count);
            fail("out of time");
        }
    }
    fprintf(stderr, "open\n");
}

/* How many events may be out now. */
static uint64_t due(uint64_t began_ns, uint64_t per_event) {
    uint64_t through = heard.delivered / per_event, most;
    if (publishing.rate > 0) most = (uint64_t)(seconds_between(began_ns, now_ns()) * publishing.rate) + 1;
    else if (window) most = through + window;
    else most = through == published.made ? published.made + burst : (published.made + burst - 1) / burst * burst;
    return most < events ? most : events;
}

/* Nanoseconds until the next event is due. */
static uint64_t patience(uint64_t began_ns) {
    const uint64_t longest = 50000000u;
    if (publishing.rate <= 0 || published.made >= events) return longest;
    uint64_t next = began_ns + (uint64_t)((double)published.made / publishing.rate * 1e9), now = now_ns();
    /* It is due, but every connection is busy: an answer will wake us. */
    if (next <= now) return longest;
    return next - now < longest ? next - now : longest;
}

/* Publishes, until all has reached everyone or the time is up. Answers how long the last delivery took. */
static double publish_all(uint64_t per_event) {
    uint64_t began = now_ns(), goal = events * per_event;
    heard.last_ns = began;
    while (heard.delivered < goal && seconds_between(began, now_ns()) < bound_s && heard.closed < listening.count) {
        if (!awaits) publish_up_to(due(began, per_event), began);
        wait_and_serve(patience(began));
    }
    return seconds_between(began, heard.last_ns);
}

static void print_opening(const struct costs *before, const struct costs *open, const struct costs *held) {
    double count = (double)listening.count;
    printf("\"streams\":%zu,\"opened_s\":%.4f,\"open_cpu_us\":%.2f,", listening.count, seconds_between(before->at_ns, open->at_ns),
           (double)(open->cpu_all_ns - before->cpu_all_ns) / 1e3 / count);
    printf("\"memory_before_kib\":%ld,\"memory_open_kib\":%ld,\"memory_per_stream_kib\":%.3f,\"hold_cpu_s\":%.4f,", before->memory_kib,
           held->memory_kib, (double)(held->memory_kib - before->memory_kib) / count, (double)(held->cpu_all_ns - open->cpu_all_ns) / 1e9);
}

static void print_delivering(const struct costs *before, const struct costs *after, double seconds, uint64_t goal, uint64_t delivered) {
    double cpu_s = (double)(after->cpu_all_ns - before->cpu_all_ns) / 1e9;
    uint32_t fewest, most;
    extremes(&fewest, &most);
    printf("\"events\":%llu,\"expected\":%llu,\"delivered\":%llu,\"seconds\":%.4f,\"rate\":%.1f,", (unsigned long long)published.made,
           (unsigned long long)goal, (unsigned long long)delivered, seconds, seconds > 0 ? (double)delivered / seconds : 0);
    printf("\"cpu_s\":%.5f,\"cpu_us_per_delivery\":%.5f,\"cpu_each_s\":[", cpu_s, delivered ? cpu_s * 1e6 / (double)delivered : 0);
    for (size_t i = 0; i < pids.count; i++) printf("%s%.5f", i ? "," : "", (double)(after->cpu_ns[i] - before->cpu_ns[i]) / 1e9);
    printf("],\"fewest\":%u,\"most\":%u,\"duplicates\":%llu,\"strays\":%llu,\"garbled\":%llu,\"closed\":%zu,\"refused\":%llu,", fewest, most,
           (unsigned long long)heard.duplicates, (unsigned long long)heard.strays, (unsigned long long)heard.garbled, heard.closed,
           (unsigned long long)published.refused);
    printf("\"requests\":%llu,\"reads\":%llu,\"received_bytes\":%llu,\"client_cpu_s\":%.4f,\"memory_end_kib\":%ld,",
           (unsigned long long)published.requests, (unsigned long long)heard.reads, (unsigned long long)heard.bytes,
           after->own_s - before->own_s, after->memory_kib);
}

static void draw_owners(void) {
    uint32_t *owners = malloc(events * sizeof *owners);
    uint64_t state = 88172645463325252u; /* xorshift: the same draw in every run and for every server */
    for (uint64_t i = 0; i < events; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        owners[i] = (uint32_t)((state >> 16) % listening.count);
    }
    listening.owners = publishing.owners = owners;
}

enum option_name {
    HOST, PORT, PATH, COUNT, HEADER, OWN_HEADERS, TARGETS, PER_ADDRESS, FIRST_SOURCE, IN_FLIGHT, SETTLE, HOLD, PIDS, BOUND, CHECK, UNICAST,
    EVENTS, BURST, WINDOW, RATE, AWAIT, TO_PORT, TO_PATH, TO_HEADER, BODY, BODY_FILE, BATCH, PUBLISHERS, PAYLOAD, REDIS_KEY, REDIS_FIELD,
    REDIS_WINDOW, REDIS_PASSWORD, FIRST_POSITION,
};

static const struct option OPTIONS[] = {
    {"host", 1, 0, HOST}, {"port", 1, 0, PORT}, {"path", 1, 0, PATH}, {"count", 1, 0, COUNT}, {"header", 1, 0, HEADER},
    {"own-headers", 1, 0, OWN_HEADERS}, {"targets", 1, 0, TARGETS}, {"per-address", 1, 0, PER_ADDRESS}, {"first-source", 1, 0, FIRST_SOURCE},
    {"in-flight", 1, 0, IN_FLIGHT}, {"settle", 1, 0, SETTLE}, {"hold", 1, 0, HOLD}, {"pids", 1, 0, PIDS}, {"bound", 1, 0, BOUND},
    {"check", 0, 0, CHECK}, {"unicast", 0, 0, UNICAST}, {"events", 1, 0, EVENTS}, {"burst", 1, 0, BURST}, {"window", 1, 0, WINDOW},
    {"rate", 1, 0, RATE}, {"await", 0, 0, AWAIT}, {"to-port", 1, 0, TO_PORT}, {"to-path", 1, 0, TO_PATH}, {"to-header", 1, 0, TO_HEADER},
    {"body", 1, 0, BODY}, {"body-file", 1, 0, BODY_FILE}, {"batch", 1, 0, BATCH}, {"publishers", 1, 0, PUBLISHERS}, {"payload", 1, 0, PAYLOAD},
    {"redis-key", 1, 0, REDIS_KEY}, {"redis-field", 1, 0, REDIS_FIELD}, {"redis-window", 1, 0, REDIS_WINDOW},
    {"redis-password", 1, 0, REDIS_PASSWORD}, {"first-position", 1, 0, FIRST_POSITION}, {0},
};

static void take_listening(int option, const char *value) {
    switch ((enum option_name)option) {
        case HOST: listening.host = value; break;
        case PORT: listening.port = atoi(value); break;
        case PATH: listening.path = value; break;
        case COUNT: listening.count = strtoull(value, NULL, 10); break;
        case HEADER: append_text(&headers, "%s\r\n", value); break;
        case OWN_HEADERS: listening.own_headers = lines_in_file(value); break;
        case TARGETS: listening.targets = publishing.targets = lines_in_file(value); break;
        case PER_ADDRESS: listening.per_address = strtoull(value, NULL, 10); break;
        case FIRST_SOURCE: listening.first_source = (uint32_t)strtoul(value, NULL, 10); break;
        case IN_FLIGHT: listening.in_flight = strtoull(value, NULL, 10); break;
        case SETTLE: settle_s = atof(value); break;
        case HOLD: hold_s = atof(value); break;
        case PIDS: pids = pids_in(value); break;
        case BOUND: bound_s = atof(value); break;
        case CHECK: checks = true; break;
        case UNICAST: is_unicast = true; break;
        default: break;
    }
}

static void take_publishing(int option, const char *value) {
    switch ((enum option_name)option) {
        case EVENTS: events = strtoull(value, NULL, 10); break;
        case BURST: burst = strtoull(value, NULL, 10); break;
        case WINDOW: window = strtoull(value, NULL, 10); break;
        case RATE: publishing.rate = atof(value); break;
        case AWAIT: awaits = true; break;
        case TO_PORT: publishing.port = atoi(value); break;
        case TO_PATH: publishing.path = value; break;
        case TO_HEADER: append_text(&to_headers, "%s\r\n", value); break;
        case BODY: body = bytes_of(value); break;
        case BODY_FILE: body = bytes_in_file(value); break;
        case BATCH: publishing.batch = value; break;
        case PUBLISHERS: publishing.connections = strtoull(value, NULL, 10); break;
        case PAYLOAD: payload = strtoull(value, NULL, 10); break;
        case REDIS_KEY: publishing.redis_key = value; break;
        case REDIS_FIELD: publishing.redis_field = value; break;
        case REDIS_WINDOW: publishing.redis_window = strtoull(value, NULL, 10); break;
        case REDIS_PASSWORD: publishing.redis_password = value; break;
        case FIRST_POSITION: publishing.first_position = strtoull(value, NULL, 10); break;
        default: break;
    }
}

static void read_options(int count, char **values) {
    int option;
    while ((option = getopt_long(count, values, "", OPTIONS, NULL)) != -1) {
        if (option == '?') exit(2);
        take_listening(option, optarg);
        take_publishing(option, optarg);
    }
    bool publishes = events && !awaits;
    if (!listening.port || !listening.count || !burst || (publishes && (!publishing.port || !body.length))) {
        fprintf(stderr, "streams needs --port, --count, and with --events also --to-port and a body; see the head of streams.c\n");
        exit(2);
    }
    if (is_unicast && listening.targets.count < listening.count) {
        fprintf(stderr, "--unicast needs a target for every stream\n");
        exit(2);
    }
}

static void prepare(void) {
    append_text(&headers, "%s", "");
    append_text(&to_headers, "%s", "");
    listening.headers = headers.data;
    publishing.headers = to_headers.data;
    if (is_unicast) draw_owners();
    if (checks) listening.checked = events;
    raise_descriptor_limit();
    loop = epoll_create1(EPOLL_CLOEXEC);
}

int main(int count, char **values) {
    read_options(count, values);
    prepare();
    struct costs before = costs_now();
    open_all();
    struct costs open = costs_now();
    if (events && !awaits) {
        publishing.template = parse_template(body, payload);
        begin_publishing(&publishing, loop, PUBLISHER, &published);
    }
    if (!awaits) serve_for(settle_s + hold_s);
    struct costs held = costs_now();
    uint64_t per_event = is_unicast ? 1 : listening.count;
    double seconds = events ? publish_all(per_event) : 0;
    struct costs after = costs_now();
    printf("{");
    print_opening(&before, &open, &held);
    print_delivering(&held, &after, seconds, events * per_event, heard.delivered);
    print_percentiles(&heard.latencies);
    printf("}\n");
    return 0;
}
