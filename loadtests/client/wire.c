#define _GNU_SOURCE
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "machine.h"

static void reserve(struct bytes *in, size_t more) {
    if (in->length + more <= in->capacity) return;
    in->capacity = 2 * (in->length + more);
    in->data = realloc(in->data, in->capacity);
    if (!in->data) fail("memory");
}

void append(struct bytes *to, const void *data, size_t length) {
    reserve(to, length);
    memcpy(to->data + to->length, data, length);
    to->length += length;
}

void append_text(struct bytes *to, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    reserve(to, (size_t)length + 1);
    va_start(arguments, format);
    vsnprintf(to->data + to->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    to->length += (size_t)length;
}

void drop_front(struct bytes *of, size_t length) {
    memmove(of->data, of->data + length, of->length - length);
    of->length -= length;
}

struct bytes bytes_of(const char *text) {
    struct bytes bytes = {0};
    append(&bytes, text, strlen(text));
    return bytes;
}

struct bytes bytes_in_file(const char *path) {
    struct bytes bytes = {0};
    char part[4096];
    FILE *file = fopen(path, "r");
    if (!file) fail(path);
    for (size_t got; (got = fread(part, 1, sizeof part, file)) > 0;) append(&bytes, part, got);
    fclose(file);
    return bytes;
}

struct lines lines_in_file(const char *path) {
    struct lines lines = {0};
    char *line = NULL;
    size_t size = 0, capacity = 0;
    FILE *file = fopen(path, "r");
    if (!file) fail(path);
    while (getline(&line, &size, file) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        if (lines.count == capacity) lines.at = realloc(lines.at, (capacity = 2 * capacity + 64) * sizeof *lines.at);
        lines.at[lines.count++] = strdup(line);
    }
    free(line);
    fclose(file);
    if (!lines.count) fail("a file has no lines");
    return lines;
}

static void come_from(int fd, uint32_t source) {
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u + source)};
    /* The port is chosen at connect, so that one address serves as many connections as there are pairs of ports. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (void *)&address, sizeof address)) fail("bind");
}

int connect_from(const char *host, int port, uint32_t source) {
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (source) come_from(fd, source);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) fail("the host is no IPv4 address");
    if (connect(fd, (void *)&address, sizeof address) && errno != EINPROGRESS) fail("connect");
    return fd;
}

bool send_some(int fd, const struct bytes *bytes, size_t *sent) {
    while (*sent < bytes->length) {
        ssize_t wrote = send(fd, bytes->data + *sent, bytes->length - *sent, MSG_NOSIGNAL);
        if (wrote < 0) return errno == EAGAIN || errno == ENOTCONN;
        *sent += (size_t)wrote;
    }
    return true;
}
