"""How many deliveries of a lane may go now. Pure, so that it can be read and tested as a table."""

from datetime import datetime, timedelta

import msgspec

from tidings.deliveries.lanes.breaker import opens_until

# Unused rate is kept for so long, which is about two looks: half a per cent over the rate in ten seconds, at most.
BURST = timedelta(seconds=0.05)
PROBE_LOOK = timedelta(seconds=1)


class DueLane(msgspec.Struct, frozen=True):
    """out: attempts under way, or about to be.   next_slot: when the rate allows the next one."""

    destination: int
    project: int
    at_once: int
    rate: float | None
    next_slot: datetime
    breaker: str
    opened_at: datetime | None
    openings: int
    out: int


class Allowance(msgspec.Struct, frozen=True):
    """most: deliveries that may go now.   again_at: when to look again if more wait than that."""

    most: int
    again_at: datetime


def allowance(lane: DueLane, share: int, now: datetime) -> Allowance:
    """share: what is left to this lane of all that may be under way."""
    if lane.breaker == "open":
        assert lane.opened_at is not None
        probe_at = opens_until(lane.opened_at, lane.openings)
        # The lane's row is locked, so one dispatch in all takes the probe.
        return Allowance(0, probe_at) if now < probe_at else Allowance(int(lane.out == 0), now + PROBE_LOOK)
    if lane.breaker == "half_open":
        return Allowance(int(lane.out == 0), now + PROBE_LOOK)
    most = max(0, min(share, lane.at_once - lane.out))
    if lane.rate is None:
        # Its receiver asked for a pause, see `report.py`.
        return Allowance(0, lane.next_slot) if lane.next_slot > now else Allowance(most, now)
    slots = slots_until(lane, now)
    return Allowance(min(most, slots), now if slots > most else slot_after(lane, slots, now))


def slots_until(lane: DueLane, now: datetime) -> int:
    """How many the rate allows now (generic cell rate algorithm)."""
    assert lane.rate is not None
    first = max(lane.next_slot, now - BURST)
    return max(0, int((now - first).total_seconds() * lane.rate) + 1) if first <= now else 0


def slot_after(lane: DueLane, used: int, now: datetime) -> datetime:
    """When the next may go, after so many went."""
    if lane.rate is None:
        return now
    return max(lane.next_slot, now - BURST) + timedelta(seconds=used / lane.rate)
