"""What an event is, where each service says it."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tidings.errors import Malformed
from tidings.sources.paths import Event
from tidings.sources.structs import Kind

IDENTITY = re.compile(r"[!-~]{1,255}")
MOST_TYPE = 200
ID_HEADER: Mapping[Kind, str] = {"github": "x-github-delivery", "standard_webhooks": "webhook-id"}
TYPE_HEADER: Mapping[Kind, str] = {"github": "x-github-event"}


def read_event(kind: Kind, headers: Mapping[str, str], body: bytes) -> Event:
    """Of a request whose signature is right. headers: by their names in lower case. Raises Malformed for what is none of the service's."""
    try:
        members = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Malformed("The body is no JSON object that could be read; let the service send application/json.") from None
    identity = id_of(kind, headers, members)
    if not isinstance(identity, str) or not IDENTITY.fullmatch(identity):
        raise Malformed(f"The event has no id of at most 255 plain characters, in {ID_HEADER.get(kind, 'its member `id`')}.")
    return Event(identity, type_of(kind, headers, members), members)


def id_of(kind: Kind, headers: Mapping[str, str], members: Mapping[str, Any]) -> Any:
    return headers.get(ID_HEADER[kind]) if kind in ID_HEADER else members.get("id")


def type_of(kind: Kind, headers: Mapping[str, str], members: Mapping[str, Any]) -> str | None:
    """None when it says none, or no readable one."""
    found = headers.get(TYPE_HEADER[kind]) if kind in TYPE_HEADER else members.get("type")
    return found if isinstance(found, str) and len(found) <= MOST_TYPE and found.isprintable() else None
