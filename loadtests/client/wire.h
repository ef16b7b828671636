/* Growing bytes, lines of a file, and sockets that never block. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    char *data;
    size_t length, capacity;
};

void append(struct bytes *to, const void *data, size_t length);
void append_text(struct bytes *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
void drop_front(struct bytes *of, size_t length);
struct bytes bytes_of(const char *text);
struct bytes bytes_in_file(const char *path);

struct lines {
    char **at;
    size_t count;
};

/* The lines of a file without their ends. */
struct lines lines_in_file(const char *path);

/* Begins to connect. source: the last three bytes of the 127/8 address to come from; 0 lets the kernel choose. */
int connect_from(const char *host, int port, uint32_t source);

/* Writes what it can of `bytes` from `*sent` on. False when the other side is gone. */
bool send_some(int fd, const struct bytes *bytes, size_t *sent);
