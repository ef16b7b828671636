"""Times on the command line."""

import re
from datetime import UTC, datetime, timedelta

import click

AGO = re.compile(r"(\d{1,6})([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """`2026-11-25T12:00:00Z`, or how long ago, as in `90m`, `2h`, `7d`. Without its zone, of this machine's. Raises BadParameter."""
    try:
        if found := AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{UNITS[found[2]]: int(found[1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is no time: write it as in 2026-11-25T12:00:00Z, or how long ago, as in 90m, 2h, 7d.") from None
