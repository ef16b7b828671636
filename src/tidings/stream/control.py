"""Events of the log that are no subscriber's business but change their streams: who listens to what, and whose credential has ended."""

import math
from datetime import datetime

import msgspec

from tidings.errors import Unavailable
from tidings.events.entry import LogEvent
from tidings.stream.hub import Hub


class Members(msgspec.Struct):
    topic: int
    added: list[int] = []
    removed: list[int] = []


class Revoked(msgspec.Struct):
    valid_after: datetime | None = None


class KeyGone(msgspec.Struct):
    kid: str


class Reopened(msgspec.Struct):
    session: str
    generation: int


class Renewed(msgspec.Struct):
    stream: str
    expires_at: datetime


class RenewedBy(msgspec.Struct):
    """issued_at: of the new token, Unix seconds.   number: the random part of the stream's id.   signed_by: the new token's key."""

    issued_at: float
    number: int
    signed_by: str | None = None


# Kept for streams that are being opened while such an event arrives.
MOST_RECENT = 1024


def take_control(hub: Hub, event: LogEvent) -> None:
    if event.type in ENDING:
        hub.endings += 1
        hub.recent_endings.append(event)
        del hub.recent_endings[:-MOST_RECENT]
    action = ACTIONS.get(event.type)
    if action is not None:
        action(hub, event)


def take_endings_since(hub: Hub, seen: int) -> None:
    """Once more for a stream that was signed in when `seen` endings had been taken: what came since may concern it."""
    if hub.endings - seen > MOST_RECENT:
        raise Unavailable("Too many credentials were revoked just now; open the stream again.")
    if hub.endings > seen:
        for event in hub.recent_endings[seen - hub.endings :]:
            ACTIONS[event.type](hub, event)


def change_members(hub: Hub, event: LogEvent) -> None:
    change = msgspec.json.decode(event.internal or "{}", type=Members)
    for subscriber in change.removed:
        note_joining(hub, subscriber, event.position, change.topic, added=False)
        for connection in hub.of(subscriber):
            hub.leave(connection, change.topic)
    for subscriber in change.added:
        note_joining(hub, subscriber, event.position, change.topic, added=True)
        for connection in hub.of(subscriber):
            hub.enter(connection, change.topic)


def note_joining(hub: Hub, subscriber: int, position: int, topic: int, *, added: bool) -> None:
    for joining in hub.joining.get(subscriber, ()):
        joining.note(position, topic, added)


def delete_topic(hub: Hub, event: LogEvent) -> None:
    for topic in event.topics or ():
        for connection in list(hub.topics.get(topic, ())):
            hub.leave(connection, topic)
        for watching in hub.joining.values():
            for joining in watching:
                joining.note(event.position, topic, False)


def revoke_tokens(hub: Hub, event: LogEvent) -> None:
    valid_after = msgspec.json.decode(event.data, type=Revoked).valid_after
    for subscriber in event.recipients or ():
        for connection in hub.of(subscriber):
            if valid_after is None or connection.issued_at < valid_after.timestamp():
                connection.close("revoked")


def delete_subscriber(hub: Hub, event: LogEvent) -> None:
    for subscriber in event.recipients or ():
        for connection in hub.of(subscriber):
            connection.close("deleted")


def revoke_public_key(hub: Hub, event: LogEvent) -> None:
    gone = msgspec.json.decode(event.data, type=KeyGone)
    # Rare, so a walk over all connections is cheaper than an index.
    for connection in hub.everyone():
        if connection.project == event.project and connection.signed_by == gone.kid:
            connection.close("revoked")


def reopen_session(hub: Hub, event: LogEvent) -> None:
    reopened = msgspec.json.decode(event.data, type=Reopened)
    connection = hub.sessions.get(bytes.fromhex(reopened.session))
    if connection is not None and connection.generation < reopened.generation:
        connection.close("reopened")


def renew(hub: Hub, event: LogEvent) -> None:
    until = msgspec.json.decode(event.data, type=Renewed)
    by = msgspec.json.decode(event.internal or "{}", type=RenewedBy)
    for subscriber in event.recipients or ():
        for connection in hub.of(subscriber):
            if connection.number == by.number:
                hub.renew(connection, by.issued_at, math.ceil(until.expires_at.timestamp()), by.signed_by)


ACTIONS = {
    "topic.members": change_members,
    "topic.deleted": delete_topic,
    "subscriber.tokens_revoked": revoke_tokens,
    "subscriber.deleted": delete_subscriber,
    "public_key.revoked": revoke_public_key,
    "stream.reopened": reopen_session,
    "stream.renewed": renew,
}

ENDING = frozenset({"subscriber.tokens_revoked", "subscriber.deleted", "public_key.revoked", "stream.reopened"})
