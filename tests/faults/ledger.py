"""What deliveries must keep, whatever was killed: the ledger beside what was accepted and what arrived. Pure.

- lost: what was accepted has a delivery for each endpoint, which has come to its end.
- twice: it has one, and an endpoint gets no notification under two ids.
- torn: what nobody was told to be accepted (its answer was lost) goes to all endpoints or to none.
- wrong: `delivered` is what the receiver got, `dead` what it did not get in as many attempts as its schedule has.
- changed: the attempts of a delivery carry the same body.
- again: nothing arrives after it was settled as delivered, and its last attempt is the one that delivered it.
- uncounted: what arrived is an attempt in the ledger, and each attempt there that was answered has arrived.
- open: every attempt has ended, and the delivery counts them all.
- early: a failed one is tried again after the wait of its schedule, not sooner; and no attempt ends before it began.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

# Waits are spread by a fifth (`ledger/outcome.py`). Two clocks of one machine, and a moment between an end and its writing.
SOONEST = 0.8
SLACK_S = 0.15
SLACK = timedelta(seconds=SLACK_S)


class Arrival(NamedTuple):
    """A request as the receiver saw it. id: its webhook-id.   at: seconds of the epoch.   status: what it was answered with."""

    id: str
    title: str
    body: bytes
    at: float
    status: int


class Attempt(NamedTuple):
    """worker: HOST:PID."""

    number: int
    outcome: str | None
    reason: str | None
    started_at: datetime
    ended_at: datetime | None
    worker: str = ""


class Delivery(NamedTuple):
    id: str
    endpoint: str
    notification: str
    state: str
    counted: int
    position: int
    finished_at: datetime | None
    attempts: list[Attempt]


@dataclass
class Ledger:
    """deliveries: in the order of the log.   arrivals, schedules: by endpoint."""

    deliveries: list[Delivery]
    arrivals: Mapping[str, Sequence[Arrival]]
    schedules: Mapping[str, Sequence[int]]

    def arrived(self) -> dict[str, list[Arrival]]:
        """By delivery, the first one first."""
        found: defaultdict[str, list[Arrival]] = defaultdict(list)
        for arrivals in self.arrivals.values():
            for arrival in arrivals:
                found[arrival.id].append(arrival)
        return found

    def outcomes(self) -> Counter[str]:
        """How attempts ended."""
        return Counter(str(attempt.outcome) for delivery in self.deliveries for attempt in delivery.attempts)

    def states(self) -> Counter[str]:
        return Counter(delivery.state for delivery in self.deliveries)


def faults(ledger: Ledger, accepted: Mapping[str, str]) -> list[str]:
    """accepted: marks of notifications, by id."""
    arrived = ledger.arrived()
    return [
        *planned_wrongly(ledger, accepted),
        *(f"strange: {identity} arrived and is not in the ledger" for identity in arrived.keys() - {one.id for one in ledger.deliveries}),
        *(fault for delivery in ledger.deliveries for fault in faults_of(delivery, arrived.get(delivery.id, []), ledger)),
    ]


def planned_wrongly(ledger: Ledger, accepted: Mapping[str, str]) -> Iterator[str]:
    planned = Counter((one.notification, one.endpoint) for one in ledger.deliveries)
    for notification, mark in accepted.items():
        for endpoint in ledger.schedules:
            if not planned[notification, endpoint]:
                yield f"lost: {mark} ({notification}) was never planned for {endpoint}"
    for notification in {one.notification for one in ledger.deliveries}:
        counts = [planned[notification, endpoint] for endpoint in ledger.schedules]
        if max(counts) > 1:
            yield f"twice: {notification} was planned {counts} times"
        if notification not in accepted and min(counts) == 0:
            yield f"torn: {notification}, which nobody was told of, was planned {counts} times"
    for endpoint, arrivals in ledger.arrivals.items():
        ids = Counter(title for title, _ in {(arrival.title, arrival.id) for arrival in arrivals})
        yield from (f"twice: {title} came to {endpoint} under {count} ids" for title, count in ids.items() if count > 1)


def faults_of(delivery: Delivery, arrivals: Sequence[Arrival], ledger: Ledger) -> Iterator[str]:
    said = f"{delivery.id} ({delivery.state}, {[(one.number, one.outcome) for one in delivery.attempts]}, {[a.status for a in arrivals]})"
    rules = (ended_wrongly, changed, sent_again, miscounted, too_early)
    yield from (f"{fault}: {said}" for rule in rules for fault in rule(delivery, arrivals, ledger.schedules[delivery.endpoint]))


def ended_wrongly(delivery: Delivery, arrivals: Sequence[Arrival], schedule: Sequence[int]) -> Iterator[str]:
    has_it = any(arrival.status == 200 for arrival in arrivals)
    if delivery.state == "delivered":
        if not has_it:
            yield "wrong: nobody got it"
    elif delivery.state != "dead":
        yield "lost: it has not ended"
    elif has_it:
        yield "wrong: it arrived"
    elif sum(attempt.outcome == "retry" for attempt in delivery.attempts) != len(schedule) + 1:
        yield "wrong: given up before its schedule, or after it"


def changed(_: Delivery, arrivals: Sequence[Arrival], schedule: Sequence[int]) -> Iterator[str]:
    if len({arrival.body for arrival in arrivals}) > 1:
        yield "changed: its bodies differ"


def sent_again(delivery: Delivery, arrivals: Sequence[Arrival], schedule: Sequence[int]) -> Iterator[str]:
    if delivery.state != "delivered":
        return
    assert delivery.finished_at is not None
    ended_at = delivery.finished_at.timestamp()
    after = [round(arrival.at - ended_at, 3) for arrival in arrivals if arrival.at > ended_at + SLACK_S]
    if after:
        yield f"again: it came {after} s after it was delivered"
    if [attempt.number for attempt in delivery.attempts if attempt.outcome == "delivered"] != [len(delivery.attempts)]:
        yield "again: the last attempt, and no other, is the one that delivered it"


def miscounted(delivery: Delivery, arrivals: Sequence[Arrival], schedule: Sequence[int]) -> Iterator[str]:
    attempts = delivery.attempts
    if [attempt.number for attempt in attempts] != list(range(1, len(attempts) + 1)) or delivery.counted != len(attempts):
        yield f"open: it counts {delivery.counted} attempts"
    if any(attempt.outcome is None for attempt in attempts):
        yield "open: an attempt has not ended"
    answered = sum((attempt.reason or "").startswith("http_") for attempt in attempts)
    if not answered <= len(arrivals) <= len(attempts):
        yield f"uncounted: {len(arrivals)} arrived of {len(attempts)} attempts, of which {answered} were answered"


def too_early(delivery: Delivery, arrivals: Sequence[Arrival], schedule: Sequence[int]) -> Iterator[str]:
    if any(attempt.ended_at is not None and attempt.ended_at < attempt.started_at - SLACK for attempt in delivery.attempts):
        yield "early: an attempt ended before it began"
    failures = 0
    for attempt, following in zip(delivery.attempts, delivery.attempts[1:], strict=False):
        if attempt.outcome != "retry":
            continue
        failures += 1
        assert attempt.ended_at is not None
        waited = (following.started_at - attempt.ended_at).total_seconds()
        if waited < SOONEST * schedule[failures - 1] - SLACK_S:
            yield f"early: attempt {following.number} came after {waited:.2f} s"
