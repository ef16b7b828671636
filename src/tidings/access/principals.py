"""Who is asking: the holder of an API key, or a subscriber with a token. Routes receive one of these, never a raw credential."""

from datetime import datetime

import msgspec


class Tenant(msgspec.Struct, frozen=True):
    """A project. id: inner number.   key: `prj_…`.   shard: of the log that holds its events."""

    id: int
    key: str
    shard: int


class KeyHolder(msgspec.Struct, frozen=True):
    """The holder of an API key. key: its public id, `key_…`.   scopes: as in `notifications:write`; `*` is all of them."""

    tenant: Tenant
    key: str
    scopes: frozenset[str]

    @property
    def actor(self) -> str:
        return f"key:{self.key}"

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "*" in self.scopes


class SubscriberSession(msgspec.Struct, frozen=True):
    """A subscriber, signed in with a token. subscriber: inner id.   external_id: the id the product gave.

    kid: the key that signed the token; a project can revoke its own.
    """

    tenant: Tenant
    subscriber: int
    external_id: str
    issued_at: datetime
    expires_at: datetime
    kid: str | None = None

    @property
    def actor(self) -> str:
        return f"subscriber:{self.external_id}"
