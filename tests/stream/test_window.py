"""The hot window's index and the fan-out against the plain rule: who hears what must be the same by every way."""

import asyncio
import gc
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.access.principals import Tenant
from tidings.events.entry import LogEvent
from tidings.stream import window
from tidings.stream.connection import Connection
from tidings.stream.control import take_control
from tidings.stream.fan_out import deliver
from tidings.stream.frames import frame_of
from tidings.stream.hub import Hub
from tidings.stream.memberships import Joining, Loaded, topics_at
from tidings.stream.replay import Replay, concerns
from tidings.stream.shard import Shard
from tidings.stream.sign_in import Visitor
from tidings.stream.streamed import Streamed
from tidings.stream.window import Budget, HotWindow

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


# From how many recipients on an event is looked through rather than entered under each.
wides = st.sampled_from((0, 1, window.WIDE))


@given(histories, wides, st.data())
@settings(deadline=None)
def test_replay_and_live_together_are_a_plain_filter_of_the_log(history: list[Any], wide: int, data: st.DataObject) -> None:
    """Wherever the cursor, the moment of going live, the snapshot of the memberships and the batches lie."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "WIDE", wide)
        asyncio.run(replay_and_live(history, data))


async def replay_and_live(history: list[Any], data: st.DataObject) -> None:
    events = events_of(history)
    end = len(events)
    cursor = data.draw(st.integers(0, end), "cursor")
    began = data.draw(st.integers(cursor, end), "position when loading began")
    head = data.draw(st.integers(began, end), "head of the membership snapshot")
    live = data.draw(st.integers(began, end), "position when going live")
    subscriber = data.draw(st.sampled_from(SUBSCRIBERS))

    shard = Shard(0, "e", 0, 1000, Budget(10**9))
    hub = Hub(10**9, Streamed())
    hub.control.append(lambda event: take_control(hub, event))
    for event in events[:began]:
        deliver(hub, shard, [event])
    joining = Joining()
    hub.joining[subscriber] = [joining]
    if live > began:
        deliver(hub, shard, events[began:live])
    connection, transport = make(hub, shard, subscriber)
    replay = Replay(None, shard, connection.project, subscriber, loaded_at(events, subscriber, head), joining, cursor, None)  # type: ignore[arg-type]
    piece = replay.from_window()
    replay.position = piece.position
    transport.write(b"".join(frame for _, frame in piece.frames))
    hub.go_live(connection, replay.topics)
    rest = events[live:]
    while rest:
        size = data.draw(st.integers(1, len(rest)), "batch")
        deliver(hub, shard, rest[:size])
        rest = rest[size:]

    assert transport.positions() == [position for position in heard_by_the_plain_rule(events, subscriber) if position > cursor]


@given(st.lists(st.tuples(st.booleans(), histories), max_size=6), st.integers(1, 50), st.integers(400, 20_000), st.integers(0, 50), wides)
@settings(deadline=None)
def test_windows_answer_what_the_plain_rule_does_and_keep_their_bounds(
    pieces: list[tuple[bool, list[Any]]], most: int, most_bytes: int, after: int, wide: int
) -> None:
    """Two shards take turns; the bound of bytes is one for both."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "WIDE", wide)
        fill_and_ask(pieces, most, most_bytes, after)


def fill_and_ask(pieces: list[tuple[bool, list[Any]]], most: int, most_bytes: int, after: int) -> None:
    budget = Budget(most_bytes)
    logs: tuple[list[LogEvent], list[LogEvent]] = ([], [])
    windows = HotWindow(0, most, budget), HotWindow(0, most, budget)
    for which, history in pieces:
        for event in events_of(history, len(logs[which])):
            logs[which].append(event)
            windows[which].add(event, frame_of(event, "e") and frame_of(event, "e") + b"x" * (event.position * 997 % 5000))
            assert windows[which].last - windows[which].first + 1 <= most
            assert sum(one.bytes for one in windows) == budget.used <= most_bytes

    for events, filled in zip(logs, windows, strict=True):
        hold_to_the_plain_rule(filled, events, max(after, filled.first - 1))
        while filled.first <= filled.last:
            filled.drop_first()
        assert not (filled.kept or filled.by_subscriber or filled.wide or filled.by_topic or filled.by_project)
    assert budget.used == 0


def hold_to_the_plain_rule(kept: HotWindow, events: list[LogEvent], after: int) -> None:
    """The newest of the log are in it, all of them, and what it answers is a plain filter of them."""
    assert kept.last == len(events)
    shown = [event.position for event in events if event.position >= kept.first and frame_of(event, "e")]
    assert list(kept.kept) == shown
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
            assert kept.missed(subscriber, OF_PROJECT[subscriber], memberships, after) == expected


def test_a_busy_shard_does_not_empty_a_quiet_one() -> None:
    budget = Budget(100_000)
    quiet, busy = HotWindow(0, 1000, budget), HotWindow(0, 1000, budget)
    for event in events_of([notice(1, [11], [], False)] * 20):
        quiet.add(event, b"x" * 1000)
    for event in events_of([notice(1, [11], [], False)] * 500):
        busy.add(event, b"x" * 1000)

    assert quiet.first == 1
    assert busy.first > 400
    assert budget.used <= 100_000


def test_an_event_larger_than_the_bound_is_not_kept_and_replays_from_the_log() -> None:
    kept = HotWindow(0, 1000, Budget(100_000))
    for position, event in enumerate(events_of([notice(1, [11], [], False)] * 3), start=1):
        kept.add(event, b"x" * (200_000 if position == 2 else 100))

    assert (kept.first, kept.last) == (3, 3)
    assert not kept.reaches(0)
    assert kept.reaches(2)


@pytest.mark.parametrize(("recipients", "known"), [(1, False), (1, True), (10, False), (205, False), (620, False), (1000, False)])
@pytest.mark.parametrize("frame_bytes", [100, 20_000])
def test_what_is_counted_is_not_less_than_what_it_takes(recipients: int, known: bool, frame_bytes: int) -> None:
    kept = HotWindow(0, 10**9, Budget(10**12))
    gc.collect()
    tracemalloc.start()
    try:
        for position in range(1, 1 + max(20, 2_000 // recipients)):
            first = 10**12 + (0 if known else position * recipients)
            (event,) = events_of([notice(1, list(range(first, first + recipients)), [], False)], position - 1)
            kept.add(event, bytes(frame_bytes))
        del event
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert taken <= kept.bytes * 1.05


def test_topics_of_a_moment() -> None:
    memberships = [(1, 5, None), (2, 3, 7), (3, 9, None)]

    assert topics_at(memberships, 4) == (2,)
    assert topics_at(memberships, 6) == (1, 2)
    assert topics_at(memberships, 9) == (1, 3)
