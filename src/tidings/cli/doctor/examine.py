"""The examination, one thing after the other; what is quiet happens beside the stream that is held."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from tidings.cli.doctor.judge import judge
from tidings.cli.doctor.judge.verdict import seconds
from tidings.cli.doctor.measured import Answered, Measured
from tidings.cli.doctor.place import Place
from tidings.cli.doctor.polls import hold_polls
from tidings.cli.doctor.reach import measure_reach
from tidings.cli.doctor.report import Report
from tidings.cli.doctor.stream import WatchedStream
from tidings.cli.doctor.surroundings import measure_health, measure_tls

Step = Callable[[str], None]


async def examine(place: Place, idle_s: float, step: Step) -> Report:
    """Takes idle_s and a few seconds.   step: told what is being done, once a second while it waits."""
    return judge(await measure(place, idle_s, step))


async def measure(place: Place, idle_s: float, step: Step) -> Measured:
    step("Asking for a plain answer.")
    reach = await measure_reach(place)
    if not isinstance(reach, Answered):
        return Measured(url=place.address.url, reach=reach)

    step("Opening a stream.")
    stream = WatchedStream(place)
    opening = await stream.opening()
    async with telling_time(step, idle_s):
        held, poll, (protocol, certificate), (clock, drain) = await asyncio.gather(
            stream.hold(idle_s), hold_polls(place, idle_s), measure_tls(place), measure_health(place)
        )
    return Measured(
        url=place.address.url,
        reach=reach,
        protocol=protocol,
        certificate=certificate,
        opening=opening,
        held=held,
        poll=poll,
        clock=clock,
        drain=drain,
    )


@contextlib.asynccontextmanager
async def telling_time(step: Step, idle_s: float) -> AsyncIterator[None]:
    async def tell() -> None:
        passed_s = 0
        while True:
            step(f"Holding a stream and a long poll for {seconds(idle_s)}; {passed_s} s have passed.")
            await asyncio.sleep(1)
            passed_s += 1

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()
