"""When a destination is given up: after failures alone for so long, and so many of them. Both, so that neither an hour's outage under
load nor one failed attempt a day is enough.
"""

from datetime import datetime, timedelta

from tidings.deliveries.lanes.lane import Lane

FOR = timedelta(days=5)
AT_LEAST = 50
# Per cent of the way there at which the project is told.
WARNINGS = (50, 70, 90)


def note(lane: Lane, kind: str, now: datetime) -> None:
    """kind: of an outcome. A refusal is about one message or one person, and says nothing of the destination either way."""
    if kind == "delivered":
        lane.failing_since, lane.failures, lane.warned = None, 0, 0
    if kind != "retry":
        return
    lane.failing_since = lane.failing_since or now
    lane.failures += 1


def way_to_disabled(lane: Lane, now: datetime) -> int:
    """Per cent; 100: it is to be disabled."""
    if lane.failing_since is None:
        return 0
    return int(100 * min(1.0, (now - lane.failing_since) / FOR, lane.failures / AT_LEAST))


def due_warning(lane: Lane, now: datetime) -> int | None:
    """The warning to give now; each is given once."""
    due = max((percent for percent in WARNINGS if percent <= way_to_disabled(lane, now)), default=0)
    return due if due > lane.warned else None
