"""What must arrive, and what did. Pure: nothing here talks to anything, and nothing grows with the number of notifications.

A *line* is what one publisher sends to one person or one topic, numbered 1, 2, 3, …; a number is sent when the one before was answered.
So each device must see each of its lines without a hole, in order, and each number once:

- lost: a number that was accepted and is not there in the end.
- duplicates: a number that was there.
- out of order: a number that comes after a higher one; or a cursor that does not rise, within an epoch.
- strays: of a line that is not for this device, or a number that nobody sent.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Line:
    """sent: the newest number that was tried.   accepted: the newest that was answered with 202, and its notification."""

    name: str
    sent: int = 0
    accepted: int = 0
    newest_id: str = ""


@dataclass(slots=True)
class Received:
    """Of one line, by one device. newest: number.   holes: below it, what has not come.   known: from the inbox, not yet by stream."""

    newest: int = 0
    holes: set[int] = field(default_factory=set)
    known: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Device:
    """A subscriber's device over all its connections. lines: those that are for it.   told: the first things that were wrong, in words."""

    subscriber: str
    lines: dict[str, Line] = field(default_factory=dict)
    received: dict[str, Received] = field(default_factory=dict)
    cursor: str | None = None
    duplicates: int = 0
    out_of_order: int = 0
    strays: int = 0
    resets: int = 0
    told: list[str] = field(default_factory=list)

    def take(self, cursor: str, line: str, number: int) -> None:
        """One notification from the stream."""
        seen, before = self.of(line), (self.duplicates, self.out_of_order)
        if line not in self.lines or number > self.lines[line].sent:
            self.strays += 1
            self.tell(f"{line}/{number} at {cursor} is not for it")
        elif number > seen.newest:
            seen.holes.update(range(seen.newest + 1, number))
            seen.newest = number
        elif number in seen.known:
            seen.known.discard(number)
        elif number in seen.holes:
            seen.holes.discard(number)
            self.out_of_order += 1
            self.tell(f"{line}/{number} at {cursor} came after {line}/{seen.newest}")
        else:
            self.duplicates += 1
            self.tell(f"{line}/{number} at {cursor} came twice")
        if not rises(self.cursor, cursor) and before == (self.duplicates, self.out_of_order):
            self.out_of_order += 1
            self.tell(f"{line}/{number} at {cursor} came after {self.cursor}")
        self.cursor = cursor

    def reset(self, cursor: str | None) -> None:
        """The stream cannot say what was missed: the inbox can (`snapshot`)."""
        self.resets += 1
        self.cursor = cursor

    def snapshot(self, line: str, number: int) -> None:
        """One item of the inbox, read after a reset. What it shows may still come by the stream, once."""
        seen = self.of(line)
        if number > seen.newest:
            seen.holes.update(range(seen.newest + 1, number))
            seen.known.add(number)
            seen.newest = number
        elif number in seen.holes:
            seen.holes.discard(number)
            seen.known.add(number)

    def missing(self) -> int:
        """What was accepted and has not come."""
        return sum(missing_of(line, self.received.get(name)) for name, line in self.lines.items())

    def of(self, line: str) -> Received:
        return self.received.setdefault(line, Received())

    def tell(self, what: str) -> None:
        if len(self.told) < 5:
            self.told.append(f"{self.subscriber}: {what}")


def missing_of(line: Line, received: Received | None) -> int:
    if received is None:
        return line.accepted
    return sum(hole <= line.accepted for hole in received.holes) + max(0, line.accepted - received.newest)


def rises(before: str | None, cursor: str) -> bool:
    """Whether a cursor EPOCH.POSITION may follow another. A new epoch begins with a reset, which forgets the cursor."""
    if before is None:
        return True
    epoch, _, position = cursor.partition(".")
    epoch_before, _, position_before = before.partition(".")
    return epoch == epoch_before and int(position) > int(position_before)
