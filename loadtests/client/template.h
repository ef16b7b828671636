/* The body of an event, made again for each from a template.

   @@        the payload: ~CLOCK.NUMBER and letters up to the length asked for, by which deliveries are told, timed and checked
   ##        the number of the event
   %%        its target, a line of the targets
   POSITION  eight bytes, big-endian: its position in the log           (in packed bodies, where they are what
   AUDIENCE  eight bytes, big-endian: its target, taken as a number      a MessagePack integer of that value holds) */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

/* ~ and 19 digits of a nanosecond clock, a dot and 9 digits of a number. */
#define CLOCK_DIGITS 19
#define NUMBER_DIGITS 9

struct event {
    uint64_t number, clock, position;
    const char *target;
};

struct template;

struct template *parse_template(struct bytes text, size_t payload);
void render(const struct template *template, const struct event *event, struct bytes *out);
