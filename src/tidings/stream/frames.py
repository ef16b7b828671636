"""What an event of the log looks like on the wire (Server-Sent Events, and the same as JSON for long polls).

A frame is made once per event and process; connections only ever copy its bytes. Events that are no subscriber's business
(`topic.members`, `key.revoked`, …) have no frame.
"""

import random
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from tidings.events.entry import LogEvent

BEAT = b": \n\n"
# Of an event that nobody is shown, after which counts are right: a comment to streams, and counts to long polls.
SETTLED = b":\n\n"
HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # no-transform: a proxy that compresses holds events back.
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"connection", b"close"),
)


class Internal(msgspec.Struct, frozen=True):
    """The part of a notification's `internal` that decides whether it is shown here."""

    in_app: bool = True
    transient: bool = False


class Dated(msgspec.Struct):
    counts: msgspec.Raw = msgspec.Raw(b"{}")


_internal = msgspec.json.Decoder(Internal)
_counts = msgspec.json.Decoder(Dated)
_encode = msgspec.json.encode

WITHDRAWN = {"notification.retracted": "retracted", "notification.expired": "expired"}
# A large audience's inboxes have it, or have it no more.
SETTLES = frozenset({"notification.fanned_out", "notification.withdrawn"})


def frame_of(event: LogEvent, epoch: str) -> bytes:
    """The event as its audience sees it; empty when it is not for subscribers."""
    if event.type == "notification.created":
        if event.internal is not None and not internal_of(event.internal).in_app:
            return b""
        name, data = "notification", event.data
    elif event.type in WITHDRAWN:
        name, data = "notification.retracted", with_member(event.data, "reason", WITHDRAWN[event.type])
    elif event.type == "inbox.clicked":
        # No inbox shows it.
        return b""
    elif event.type.startswith("inbox."):
        name, data = "notification.updated", with_member(event.data, "change", event.type.removeprefix("inbox."))
        counts = _counts.decode(event.data).counts
        # The counts carry no id: a client that saw only them has not seen the event.
        return f"event: inbox.counts\ndata: {one_line(bytes(counts).decode())}\n\n".encode() + frame(
            name, data, f"{epoch}.{event.position}"
        )
    else:
        return SETTLED if event.type in SETTLES else b""
    return frame(name, data, f"{epoch}.{event.position}")


def is_transient(event: LogEvent) -> bool:
    """Live only: replayed from the hot window, never from the log."""
    return event.internal is not None and event.type == "notification.created" and internal_of(event.internal).transient


@lru_cache(maxsize=64)
def internal_of(text: str) -> Internal:
    """Remembered, because most notifications say the same."""
    return _internal.decode(text)


def frame(name: str, data: str, cursor: str | None) -> bytes:
    identity = "" if cursor is None else f"id: {cursor}\n"
    return f"{identity}event: {name}\ndata: {one_line(data)}\n\n".encode()


def one_line(json: str) -> str:
    """JSON without line breaks, which would end the SSE field. In valid JSON they can only stand between tokens."""
    if "\n" in json or "\r" in json:
        return json.replace("\r", " ").replace("\n", " ")
    return json


def with_member(json: str, name: str, value: str) -> str:
    """The JSON object with one more member, in front."""
    rest = json.strip()[1:].lstrip()
    return f'{{"{name}":"{value}"' + ("}" if rest == "}" else "," + rest)


def told(name: str, data: dict[str, Any], cursor: object = None, retry_ms: int | None = None) -> bytes:
    """A frame of our own, as in `ready`, `reset`, `closed`."""
    head = b"" if retry_ms is None else b"retry: %d\n" % retry_ms
    return head + frame(name, _encode(data).decode(), None if cursor is None else str(cursor))


@lru_cache(maxsize=1024)
def expiry_text(seconds: int) -> str:
    """RFC 3339."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def jittered_retry() -> int:
    """Milliseconds: browsers that lost the same server must not come back together."""
    return random.randint(1000, 3000)


def parsed(frames: bytes) -> list[dict[str, Any]]:
    """The events of frames, as a long poll answers them. What has no id is none of the log: a comment, or counts."""
    events = []
    for block in frames.split(b"\n\n"):
        fields = {name: value for name, _, value in (line.partition(b": ") for line in block.split(b"\n"))}
        if b"id" in fields:
            events.append({"id": fields[b"id"].decode(), "event": fields[b"event"].decode(), "data": msgspec.Raw(fields[b"data"])})
    return events
