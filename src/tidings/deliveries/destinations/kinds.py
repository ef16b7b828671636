"""The two kinds of destinations: endpoints, which are webhooks, and integrations, which are all other connectors."""

from typing import Any, Literal

import msgspec

from tidings.errors import NotFound

WEBHOOK = "webhook"


class Kind(msgspec.Struct, frozen=True):
    """name: as events, messages and members of answers call it.   prefix: of its keys.   which: SQL, of `destinations d`."""

    name: Literal["endpoint", "integration"]
    prefix: str
    which: str


ENDPOINT = Kind("endpoint", "ep", f"d.connector = '{WEBHOOK}'")
INTEGRATION = Kind("integration", "int", f"d.connector <> '{WEBHOOK}'")


def kind_of(key: str) -> Kind:
    return INTEGRATION if key.startswith(INTEGRATION.prefix + "_") else ENDPOINT


def by_kind(key: str) -> dict[str, Any]:
    """As what tells of a destination names it: `endpoint` and `integration`, one of which is null."""
    return {ENDPOINT.name: None, INTEGRATION.name: None} | {kind_of(key).name: key}


def unknown(kind: Kind, key: str, field: str | None = None) -> NotFound:
    words = f"There is no {kind.name} {key[:80]!r}."
    return NotFound(words) if field is None else NotFound(words, field=field)
