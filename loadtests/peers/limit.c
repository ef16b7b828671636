/* limit: what fan-out costs at the least on this machine. One write a connection and event, and nothing else.

   limit PORT     GET is answered with an event stream that stays open; the body of a POST goes to all of them as one event.
   No sign-in, no channels, no replay, no slow clients: it is no server, it is the floor under all of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_DESCRIPTORS 65536
#define MOST_REQUEST 65536

/* place: among the subscribers, -1 for others. */
struct connection {
    char *request;
    size_t length;
    int place;
};

static const char STREAM[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";
static const char ACCEPTED[] = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

static struct connection *connections[MOST_DESCRIPTORS];
static int subscribers[MOST_DESCRIPTORS], subscriber_count, loop;
static unsigned long position;

static void stop(const char *what) {
    perror(what);
    exit(1);
}

static void send_to(int fd, const char *data, size_t length) {
    /* A client that does not read is not waited for: the load clients always do, and check what they got. */
    if (send(fd, data, length, MSG_NOSIGNAL) != (ssize_t)length && errno != EPIPE && errno != ECONNRESET) perror("send");
}

static void broadcast(const char *body, size_t length) {
    static char frame[MOST_REQUEST + 256];
    int size = snprintf(frame, sizeof frame, "id: %lu\nevent: notification\ndata: %.*s\n\n", ++position, (int)length, body);
    for (int i = 0; i < subscriber_count; i++) send_to(subscribers[i], frame, (size_t)size);
}

static void subscribe(int fd) {
    send_to(fd, STREAM, sizeof STREAM - 1);
    connections[fd]->place = subscriber_count;
    subscribers[subscriber_count++] = fd;
}

static void forget(int fd) {
    int place = connections[fd]->place;
    if (place >= 0) {
        subscribers[place] = subscribers[--subscriber_count];
        connections[subscribers[place]]->place = place;
    }
    free(connections[fd]->request);
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

/* Serves the first whole request; answers its length, or 0 when it is not whole. */
static size_t serve_one(int fd, const char *request, size_t length) {
    const char *end = memmem(request, length, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t head = (size_t)(end - request) + 4;
    if (!memcmp(request, "GET", 3)) {
        subscribe(fd);
        return head;
    }
    const char *field = strcasestr(request, "\r\ncontent-length:");
    size_t body = field && field < end ? strtoull(field + 17, NULL, 10) : 0;
    if (length < head + body) return 0;
    broadcast(request + head, body);
    send_to(fd, ACCEPTED, sizeof ACCEPTED - 1);
    return head + body;
}

static void hear(int fd) {
    struct connection *connection = connections[fd];
    ssize_t got = recv(fd, connection->request + connection->length, MOST_REQUEST - connection->length - 1, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        forget(fd);
        return;
    }
    connection->length += (size_t)got;
    connection->request[connection->length] = 0;
    for (size_t served; connection->length && (served = serve_one(fd, connection->request, connection->length));) {
        memmove(connection->request, connection->request + served, connection->length - served + 1);
        connection->length -= served;
    }
}

static void welcome(int listener) {
    int on = 1;
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        if (fd >= MOST_DESCRIPTORS) stop("too many connections");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connections[fd] = calloc(1, sizeof **connections);
        connections[fd]->request = malloc(MOST_REQUEST);
        connections[fd]->place = -1;
        struct epoll_event interest = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(loop, EPOLL_CTL_ADD, fd, &interest);
    }
}

static int listen_on(int port) {
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) stop("listen");
    return listener;
}

int main(int count, char **values) {
    struct rlimit limit;
    struct epoll_event ready[1024];
    if (count != 2) {
        fprintf(stderr, "limit PORT\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    loop = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_on(atoi(values[1]));
    struct epoll_event interest = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &interest);
    for (;;) {
        int got = epoll_wait(loop, ready, 1024, -1);
        for (int i = 0; i < got; i++) {
            if (ready[i].data.fd == listener) welcome(listener);
            else hear(ready[i].data.fd);
        }
    }
}
