"""A row of `lanes`, as its functions work on it."""

from datetime import UTC, datetime

import msgspec

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Lane(msgspec.Struct, kw_only=True):
    """See the migration for the columns. Times are UTC."""

    destination: int
    project: int
    next_slot: datetime = BEGINNING
    breaker: str = "closed"
    opened_at: datetime | None = None
    openings: int = 0
    window_at: datetime = BEGINNING
    good: int = 0
    bad: int = 0
    good_before: int = 0
    bad_before: int = 0
    failing_since: datetime | None = None
    failures: int = 0
    warned: int = 0


CHANGING = [name for name in Lane.__struct_fields__ if name not in ("destination", "project")]
COLUMNS = ", ".join(
    # Infinity is no time for Python.
    f"greatest({name}, 'epoch') AS {name}" if name in ("next_slot", "window_at") else name
    for name in Lane.__struct_fields__
)
