"""Times that callers give."""

from datetime import UTC, datetime

from tidings.errors import Invalid


def future(when: datetime | None, now: datetime, field: str) -> datetime | None:
    """The same time in UTC. Raises Invalid when it has passed, or lies so far away that UTC has no name for it (year 10000)."""
    if when is None:
        return None
    try:
        in_utc = when.astimezone(UTC)
    except OverflowError:
        raise Invalid(f"{field} is out of range: the year 9999 is the last.", field=field) from None
    if in_utc <= now:
        raise Invalid(f"{field} must lie in the future.", field=field)
    return in_utc
