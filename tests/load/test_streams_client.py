"""The listening load client notices every delivery that is missing, twice, or somebody else's: a server that loses events is not fast."""

import asyncio
import re
import shutil
from collections.abc import Iterable

import pytest
from load.event_server import Deliver, event_server, once

from loadtests.client import ClientFailed, Source, Streamed, Target, streams

pytestmark = pytest.mark.skipif(not (shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")), reason="no C compiler")

STREAMS = 5
NUMBERS = [str(number) for number in range(STREAMS)]


async def heard(deliver: Deliver, *, events: int = 20, unicast: bool = False, bound_s: float = 20, body: str = "@@") -> Streamed:
    async with event_server(deliver) as (_, port):
        source = Source(port=port, path="/sub/%%", targets=NUMBERS)
        target = Target(port=port, path="/pub", body=body)
        return await streams(
            source, STREAMS, target, events=events, unicast=unicast, must_be_exact=False, settle_s=0.1, bound_s=bound_s, burst=2
        )


async def test_all_events_once_at_all_streams() -> None:
    seen = await heard(once)

    assert seen.is_exact
    assert (seen.events, seen.delivered, seen.fewest, seen.most) == (20, 100, 20, 20)


async def test_events_that_come_in_pieces_count_once() -> None:
    seen = await heard(lambda event, stream: [event[start : start + 7] for start in range(0, len(event), 7)], events=6)

    assert seen.is_exact


async def test_an_event_that_comes_twice_is_noticed() -> None:
    seen = await heard(lambda event, stream: [event, event] if stream == 3 else [event])

    assert not seen.is_exact
    # The second half of the last pair may come after the end.
    assert seen.duplicates >= 18
    assert seen.delivered == 100


async def test_an_event_that_is_lost_is_noticed() -> None:
    seen = await heard(lambda event, stream: [] if stream == 3 else [event], events=2, bound_s=1)

    assert not seen.is_exact
    assert (seen.delivered, seen.fewest, seen.most) == (8, 0, 2)


async def test_an_event_for_one_stream_only_counts_there() -> None:
    def only_its_own(event: bytes, stream: int) -> Iterable[bytes]:
        return [event] if event.partition(b"to ")[2].startswith(str(stream).encode()) else []

    assert (await heard(only_its_own, unicast=True, body="@@ to %%")).is_exact

    seen = await heard(once, unicast=True, body="@@ to %%")
    assert not seen.is_exact
    assert seen.strays > 0


async def test_a_run_that_is_not_exact_has_no_figure() -> None:
    async with event_server(lambda event, stream: [event, event]) as (_, port):
        source, target = Source(port=port, path="/sub/%%", targets=NUMBERS), Target(port=port, path="/pub", body="@@")
        with pytest.raises(ClientFailed, match="exactly once"):
            await streams(source, STREAMS, target, events=3, settle_s=0.1, bound_s=20)


async def test_a_batch_carries_a_whole_burst_and_each_event_its_number() -> None:
    async with event_server() as (house, port):
        source = Source(port=port, path="/sub/%%", targets=NUMBERS)
        target = Target(port=port, path="/pub", body='"@@"', batch='{"all":[**]}', payload=40)
        seen = await streams(source, STREAMS, target, events=6, burst=3, settle_s=0.1, bound_s=20)

    assert seen.is_exact
    assert [re.findall(rb"~\d{19}\.(\d{9}) ", post) for post in house.posts] == [
        [b"%09d" % number for number in numbers] for numbers in (range(3), range(3, 6))
    ]
    assert all(len(payload) == 40 for post in house.posts for payload in re.findall(rb'"(~[^"]+)"', post))


async def test_waiting_for_what_others_publish() -> None:
    async with event_server() as (_, port):
        is_open = asyncio.Event()
        source = Source(port=port, path="/sub/%%", targets=NUMBERS)
        listening = asyncio.create_task(streams(source, STREAMS, events=2, awaits=True, bound_s=20, on_open=is_open.set))
        await asyncio.wait_for(is_open.wait(), 20)
        for number in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            body = b"~%019d.%09d" % (1, number)
            writer.write(b"POST /pub HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await reader.readuntil(b"{}")
            writer.close()

        assert (await listening).is_exact
