"""What goes through the Redis Stream comes out as it went in."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from tidings.events.entry import BESIDE, LogEvent, pack, unpack

IDS = st.integers(1, 2**63 - 1)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(
    recipients=st.none() | st.lists(IDS, max_size=3 * BESIDE),
    topics=st.none() | st.lists(IDS, max_size=3),
    texts=st.tuples(*[st.text(max_size=50)] * 3),
    optional=st.tuples(*[st.none() | st.text(max_size=50)] * 2),
    everyone=st.booleans(),
    position=IDS,
    times=st.tuples(TIMES, TIMES),
)
def test_an_event_is_read_as_it_was_written(
    recipients: list[int] | None,
    topics: list[int] | None,
    texts: tuple[str, str, str],
    optional: tuple[str | None, str | None],
    everyone: bool,
    position: int,
    times: tuple[datetime, datetime],
) -> None:
    kind, data, actor = texts
    event = LogEvent(position, 1, kind, optional[0], recipients, topics, everyone, data, optional[1], actor, *times)
    read = unpack(pack(event))
    assert astuple(read)[5:] == astuple(event)[5:] and astuple(read)[:4] == astuple(event)[:4]
    assert (None if read.recipients is None else list(read.recipients)) == recipients
