"""What an API key may be allowed to do."""

from collections.abc import Iterable
from typing import Literal, get_args

Scope = Literal[
    "*",
    "notifications:write",
    "notifications:read",
    "subscribers:write",
    "subscribers:read",
    "topics:write",
    "topics:read",
    "tokens:write",
    "endpoints:write",
    "endpoints:read",
    "integrations:write",
    "integrations:read",
    "deliveries:write",
    "deliveries:read",
    "sources:write",
    "sources:read",
    "flags:write",
    "flags:read",
    "backups:write",
    "backups:read",
    "events:read",
    "keys:write",
    "keys:read",
]

SCOPES: frozenset[str] = frozenset(get_args(Scope))
EVERYTHING = "*"


def unknown_scopes(scopes: Iterable[str]) -> list[str]:
    return sorted(set(scopes) - SCOPES)
