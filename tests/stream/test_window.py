"""The hot window's index and the fan-out against the plain rule: who hears what must be the same by every way."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.access.principals import Tenant
from tidings.events.entry import LogEvent
from tidings.stream.connection import Connection
from tidings.stream.control import take_control
from tidings.stream.frames import frame_of
from tidings.stream.hub import Hub
from tidings.stream.memberships import Joining, Loaded, topics_at
from tidings.stream.replay import Replay, concerns
from tidings.stream.shard import Shard
from tidings.stream.sign_in import Visitor
from tidings.stream.streamed import Streamed
from tidings.stream.window import HotWindow

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SUBSCRIBERS, TOPICS = (11, 12, 13), (101, 102)
OF_PROJECT = {11: 1, 12: 1, 13: 2}

# Topics and their members are of project 1; of project 2 there is one subscriber, who must hear nothing of project 1.
members = st.lists(st.sampled_from((11, 12)), max_size=2, unique=True)


def notice(project: int, recipients: list[int], topics: list[int], everyone: bool) -> tuple[Any, ...]:
    return ("notification.created", project, recipients or None, topics or None, everyone, "{}")


def change(topic: int, added: list[int], removed: list[int]) -> tuple[Any, ...]:
    added = [subscriber for subscriber in added if subscriber not in removed]
    return ("topic.members", 1, None, [topic], False, f'{{"topic":{topic},"added":{added},"removed":{removed}}}')


notices = st.builds(notice, st.just(1), members, st.lists(st.sampled_from(TOPICS), max_size=2, unique=True), st.booleans())
foreign = st.builds(notice, st.just(2), st.lists(st.just(13), max_size=1), st.just([]), st.booleans())
changes = st.builds(change, st.sampled_from(TOPICS), members, members)
histories = st.lists(st.one_of(notices, foreign, changes), max_size=40)


def events_of(history: list[Any], after: int = 0) -> list[LogEvent]:
    return [
        LogEvent(
            after + n, project, type, None, recipients, topics, everyone and type != "topic.members", '{"id":"x"}', internal, "t", NOW, NOW
        )
        for n, (type, project, recipients, topics, everyone, internal) in enumerate(history, start=1)
    ]


def heard_by_the_plain_rule(events: list[LogEvent], subscriber: int) -> list[int]:
    """Walk the log with the memberships of the moment."""
    topics: set[int] = set()
    heard = []
    for event in events:
        if event.type == "topic.members":
            joining = Joining()
            note(joining, event, subscriber)
            for _, topic, added in joining.changes:
                (topics.add if added else topics.discard)(topic)
        elif (
            subscriber in (event.recipients or ())
            or topics & set(event.topics or ())
            or (event.everyone and event.project == OF_PROJECT[subscriber])
        ):
            heard.append(event.position)
    return heard


def note(joining: Joining, event: LogEvent, subscriber: int) -> None:
    hub = Hub(0, Streamed())
    hub.joining[subscriber] = [joining]
    take_control(hub, event)


class Recorder:
    """A transport that keeps what was written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def positions(self) -> list[int]:
        lines = b"".join(self.written).split(b"\n")
        return [int(line.split(b".")[1]) for line in lines if line.startswith(b"id: ")]


def loaded_at(events: list[LogEvent], subscriber: int, head: int) -> Loaded:
    """What PostgreSQL would say when its log ends at head."""
    joining = Joining()
    for event in events[:head]:
        if event.type == "topic.members":
            note(joining, event, subscriber)
    return Loaded("e", head, joining.after(Loaded("e", 0, ())))


def make(hub: Hub, shard: Shard, subscriber: int) -> tuple[Connection, Recorder]:
    visitor = Visitor(Tenant(OF_PROJECT[subscriber], "p", 0), subscriber, 0.0, 2**40)
    connection, transport = Connection(hub, shard, visitor, 1), Recorder()
    connection.connection_made(transport)
    return connection, transport


@given(histories, st.data())
@settings(deadline=None)
def test_replay_and_live_together_are_a_plain_filter_of_the_log(history: list[Any], data: st.DataObject) -> None:
    """Wherever the cursor, the moment of going live, the snapshot of the memberships and the batches lie."""
    asyncio.run(replay_and_live(history, data))


async def replay_and_live(history: list[Any], data: st.DataObject) -> None:
    events = events_of(history)
    end = len(events)
    cursor = data.draw(st.integers(0, end), "cursor")
    began = data.draw(st.integers(cursor, end), "position when loading began")
    head = data.draw(st.integers(began, end), "head of the membership snapshot")
    live = data.draw(st.integers(began, end), "position when going live")
    subscriber = data.draw(st.sampled_from(SUBSCRIBERS))

    shard = Shard(0, "e", 0, 1000, 10**9)
    hub = Hub(10**9, Streamed())
    hub.control.append(lambda event: take_control(hub, event))
    for event in events[:began]:
        hub.deliver(shard, [event])
    joining = Joining()
    hub.joining[subscriber] = [joining]
    if live > began:
        hub.deliver(shard, events[began:live])
    connection, transport = make(hub, shard, subscriber)
    replay = Replay(None, shard, connection.project, subscriber, loaded_at(events, subscriber, head), joining, cursor, None)  # type: ignore[arg-type]
    piece = replay.from_window()
    replay.position = piece.position
    transport.write(b"".join(frame for _, frame in piece.frames))
    hub.go_live(connection, replay.topics)
    rest = events[live:]
    while rest:
        size = data.draw(st.integers(1, len(rest)), "batch")
        hub.deliver(shard, rest[:size])
        rest = rest[size:]

    assert transport.positions() == [position for position in heard_by_the_plain_rule(events, subscriber) if position > cursor]


@given(histories, st.integers(1, 50), st.integers(400, 20_000), st.integers(0, 50))
@settings(deadline=None)
def test_the_window_answers_what_the_plain_rule_does_and_keeps_its_bounds(
    history: list[Any], most: int, most_bytes: int, after: int
) -> None:
    events = events_of(history)
    window = HotWindow(0, most, most_bytes)
    for event in events:
        window.add(event, frame_of(event, "e"))
        assert window.last - window.first + 1 <= most
        assert window.bytes <= most_bytes
    after = max(after, window.first - 1)

    for subscriber in SUBSCRIBERS:
        memberships = loaded_at(events, subscriber, len(events)).memberships
        expected = [
            event.position
            for event in events
            if event.position > after
            and event.type == "notification.created"
            and event.project == OF_PROJECT[subscriber]
            and concerns(event, subscriber, memberships)
        ]
        if after < len(events):
            assert window.missed(subscriber, OF_PROJECT[subscriber], memberships, after) == expected
    while window.first <= window.last:
        window.drop_first()
    assert window.bytes == 0
    assert not (window.kept or window.by_subscriber or window.by_topic or window.by_project)


def test_topics_of_a_moment() -> None:
    memberships = [(1, 5, None), (2, 3, 7), (3, 9, None)]

    assert topics_at(memberships, 4) == (2,)
    assert topics_at(memberships, 6) == (1, 2)
    assert topics_at(memberships, 9) == (1, 3)
