"""What can be learned beside the stream: TLS and what it agrees on, the clocks, how the process would stop."""

import ssl
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from tidings.cli.doctor.exchange import Exchange
from tidings.cli.doctor.measured import Certificate, Clock, Drain
from tidings.cli.doctor.place import NO_ANSWER, Answer, Place
from tidings.cli.doctor.reach import PLAIN

DAY_S = 86_400
# The one that took least says the most of the clocks.
SAMPLES = 3


class Streams(msgspec.Struct):
    open: int
    processes: int | None
    drain_s: float
    readiness_delay_s: float


class Health(msgspec.Struct):
    """What we read of /health/ready."""

    time: datetime
    streams: Streams


async def measure_tls(place: Place) -> tuple[str | None, Certificate | None]:
    """The protocol on which a browser would agree (ALPN), and the certificate."""
    if not place.address.is_secure:
        return "http/1.1", None
    try:
        exchange = await Exchange.connect(place.address, ("h2", "http/1.1"))
    except OSError:
        return None, None
    try:
        tls: ssl.SSLObject = exchange.writer.get_extra_info("ssl_object")
        return tls.selected_alpn_protocol() or "http/1.1", certificate_of(tls.getpeercert() or {})
    finally:
        exchange.close()


def certificate_of(fields: Any) -> Certificate | None:
    if "notAfter" not in fields:
        return None
    begins, ends = (ssl.cert_time_to_seconds(fields[name]) for name in ("notBefore", "notAfter"))
    return Certificate(days_left=(ends - time.time()) / DAY_S, days_in_all=(ends - begins) / DAY_S)


async def measure_health(place: Place) -> tuple[Clock | None, Drain | None]:
    answers = await several(lambda: place.ask("/health/ready"))
    clock = clock_of(answers) or clock_of(await several(lambda: place.get(PLAIN)))
    return clock, drain_of(answers)


async def several(ask: Callable[[], Awaitable[Answer]]) -> list[Answer]:
    """The quickest first."""
    answers: list[Answer] = []
    try:
        for _ in range(SAMPLES):
            answers.append(await ask())
    except NO_ANSWER:
        pass
    return sorted(answers, key=lambda answer: answer.took_s)


def clock_of(answers: list[Answer]) -> Clock | None:
    """Half way between asking and the answer, the server's clock was read."""
    there = time_of(answers[0]) if answers else None
    if there is None:
        return None
    here = answers[0].asked_at + answers[0].took_s / 2
    return Clock(ahead_s=here - there[0], within_s=there[1] + answers[0].took_s / 2)


def time_of(answer: Answer) -> tuple[float, float] | None:
    """Tidings' own, or the second that stands in Date, which a proxy writes by its own clock; and by how much it may be wrong."""
    health = health_of(answer)
    if health is not None:
        return health.time.timestamp(), 0.0
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).timestamp() + 0.5, 0.5
    except ValueError:
        return None


def drain_of(answers: list[Answer]) -> Drain | None:
    health = health_of(answers[0]) if answers else None
    if health is None:
        return None
    held = health.streams
    return Drain(open=held.open, processes=held.processes, drain_s=held.drain_s, readiness_delay_s=held.readiness_delay_s)


def health_of(answer: Answer) -> Health | None:
    try:
        return msgspec.json.decode(answer.body, type=Health)
    except msgspec.MsgspecError:
        return None
