#define _GNU_SOURCE
#include "template.h"

#include <stdlib.h>
#include <string.h>

enum kind { LITERAL, PAYLOAD, NUMBER, TARGET, POSITION, AUDIENCE };

static const struct {
    const char *text;
    enum kind kind;
} WORDS[] = {{"@@", PAYLOAD}, {"##", NUMBER}, {"%%", TARGET}, {"POSITION", POSITION}, {"AUDIENCE", AUDIENCE}};

struct piece {
    enum kind kind;
    const char *text;
    size_t length;
};

struct template {
    struct piece pieces[64];
    size_t count;
    char *filler;
    size_t filler_length;
};

static void add(struct template *to, enum kind kind, const char *text, size_t length) {
    if (length && to->count < sizeof to->pieces / sizeof *to->pieces) to->pieces[to->count++] = (struct piece){kind, text, length};
}

/* The first word at or after `from`; its index, or -1. */
static int next_word(const char *from, const char *end, const char **at) {
    int found = -1;
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        const char *here = memmem(from, (size_t)(end - from), WORDS[i].text, strlen(WORDS[i].text));
        if (here && (found < 0 || here < *at)) {
            *at = here;
            found = (int)i;
        }
    }
    return found;
}

static void make_filler(struct template *template, size_t payload) {
    size_t mark = 1 + CLOCK_DIGITS + 1 + NUMBER_DIGITS;
    template->filler_length = payload > mark ? payload - mark : 0;
    template->filler = malloc(template->filler_length + 1);
    for (size_t i = 0; i < template->filler_length; i++) template->filler[i] = " abcdefghijklmnopqrstuvwxyz 0123456789"[i % 38];
}

struct template *parse_template(struct bytes text, size_t payload) {
    struct template *template = calloc(1, sizeof *template);
    const char *from = text.data, *end = text.data + text.length, *at = NULL;
    for (int word; (word = next_word(from, end, &at)) >= 0;) {
        size_t length = strlen(WORDS[word].text);
        add(template, LITERAL, from, (size_t)(at - from));
        add(template, WORDS[word].kind, at, length);
        from = at + length;
    }
    add(template, LITERAL, from, (size_t)(end - from));
    make_filler(template, payload);
    return template;
}

static void append_big_endian(struct bytes *out, uint64_t number) {
    unsigned char eight[8];
    for (int i = 7; i >= 0; i--, number >>= 8) eight[i] = number & 0xff;
    append(out, eight, sizeof eight);
}

static void append_payload(const struct template *template, const struct event *event, struct bytes *out) {
    append_text(out, "~%0*llu.%0*llu", CLOCK_DIGITS, (unsigned long long)event->clock, NUMBER_DIGITS, (unsigned long long)event->number);
    append(out, template->filler, template->filler_length);
}

void render(const struct template *template, const struct event *event, struct bytes *out) {
    const char *target = event->target ? event->target : "";
    for (size_t i = 0; i < template->count; i++) {
        const struct piece *piece = &template->pieces[i];
        switch (piece->kind) {
            case LITERAL: append(out, piece->text, piece->length); break;
            case PAYLOAD: append_payload(template, event, out); break;
            case NUMBER: append_text(out, "%llu", (unsigned long long)event->number); break;
            case TARGET: append(out, target, strlen(target)); break;
            case POSITION: append_big_endian(out, event->position); break;
            case AUDIENCE: append_big_endian(out, strtoull(target, NULL, 10)); break;
        }
    }
}
