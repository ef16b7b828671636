"""Long polls that nothing answers, with a stopwatch."""

import time
from urllib.parse import urlencode

from tidings.cli.doctor.measured import LongPoll
from tidings.cli.doctor.place import NO_ANSWER, Answer, Place
from tidings.cli.doctor.reach import PLAIN, polled

LONGEST_S = 60
# What an answer may take beyond its wait.
GRACE_S = 10


async def hold_polls(place: Place, for_s: float) -> LongPoll | None:
    """One that stays as long as it may; another one where events come between. None where Tidings itself lets none wait."""
    began = time.monotonic()
    wanted_s = min(LONGEST_S, for_s)
    stayed_s = 0.0
    cursor = await first_cursor(place)
    while True:
        wait_s = min(LONGEST_S, for_s - (time.monotonic() - began))
        if wait_s < 1 and stayed_s > 0:  # events came between until the time was up
            return LongPoll(wanted_s=wanted_s, stayed_s=stayed_s, was_cut=False, status=200)
        answer, took_s = await poll(place, cursor, max(0.0, wait_s))
        if answer is not None and answer.is_problem:
            return None
        said = polled(answer) if answer is not None and answer.status == 200 else None
        if said is None:
            return LongPoll(wanted_s=wanted_s, stayed_s=took_s, was_cut=True, status=0 if answer is None else answer.status)
        stayed_s = max(stayed_s, took_s)
        if not said.events:
            return None if stayed_s < wait_s - 1 else LongPoll(wanted_s=wanted_s, stayed_s=stayed_s, was_cut=False, status=200)
        cursor = said.cursor


async def first_cursor(place: Place) -> str:
    try:
        said = polled(await place.get(PLAIN))
    except NO_ANSWER:
        said = None
    return said.cursor if said else ""


async def poll(place: Place, cursor: str, wait_s: float) -> tuple[Answer | None, float]:
    """The answer, None for a connection that broke, and how long it stayed."""
    began = time.monotonic()
    path = "/v1/stream/poll?" + urlencode({"wait": f"{wait_s:.1f}", "cursor": cursor})
    try:
        answer = await place.get(path, wait_s + GRACE_S)
    except NO_ANSWER:
        answer = None
    return answer, time.monotonic() - began
