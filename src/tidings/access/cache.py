"""What a process remembers of credentials, so that a request costs the database nothing.

Every end of a key or a token is an event of the log, and `apply` forgets what it touched; that an answer is believed for 60 s at most is
only the safety net. An answer that was being read while such an event came in is read again, so that nothing stale is kept.
"""

import asyncio
import time
from collections.abc import Hashable
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
from loguru import logger

from tidings.access import lookups
from tidings.access.lookups import KnownKey, KnownSubscriber, Sighting
from tidings.access.principals import KeyHolder, SubscriberSession, Tenant
from tidings.access.recent import Recent
from tidings.access.secret import hash_of
from tidings.access.signing import Signer, current_signer
from tidings.access.tokens import Claims, VerifyingKey, check_life, kid_of, mint, refused, verify
from tidings.events.entry import LogEvent
from tidings.platform.caches import show_caches
from tidings.platform.gather import Gather
from tidings.platform.postgres import POSTGRES_AWAY, Database
from tidings.platform.secrets import load_secret
from tidings.platform.telemetry.belonging import belong_to_project
from tidings.settings import Settings

TTL_S = 60.0
# So short that a key registered a moment after its first use works soon, and so long that inventing keys costs us nothing.
UNKNOWN_TTL_S = 5.0
FLUSH_EVERY_S = 30.0
TRIES = 5
USED = """
UPDATE api_keys SET last_used_at = used.at FROM unnest($1::bigint[], $2::timestamptz[]) AS used (id, at)
WHERE api_keys.id = used.id AND (last_used_at IS NULL OR last_used_at < used.at)
"""

K = TypeVar("K", bound=Hashable)
P = TypeVar("P", bound=Hashable)
V = TypeVar("V")


class AccessCache:
    """Turns credentials into principals. One in a process; give every event of the log to `apply`."""

    def __init__(self, database: Database, settings: Settings) -> None:
        load_secret(settings)
        self.database = database
        self.keys: Recent[bytes, KnownKey | None] = Recent(20_000)
        self.tokens: Recent[bytes, tuple[str, Claims]] = Recent(50_000)
        self.verifying_keys: Recent[str, VerifyingKey | None] = Recent(10_000)
        self.tenants: Recent[str, Tenant | None] = Recent(10_000)
        self.subscribers: Recent[tuple[int, str], KnownSubscriber] = Recent(100_000)
        self.signers: Recent[str, Signer] = Recent(1)
        show_caches(
            api_keys=self.keys,
            tokens=self.tokens,
            verifying_keys=self.verifying_keys,
            projects=self.tenants,
            subscribers=self.subscribers,
            signers=self.signers,
        )
        # Ends that came in lately, for whoever looked a credential up before and acts on it after.
        self.ended_keys: Recent[str, bool] = Recent(10_000)
        self.ended_kids: Recent[str, bool] = Recent(10_000)
        self.ended_tokens: Recent[int, float] = Recent(100_000)
        self.forgettings = 0
        self.key_lookups: Gather[bytes, KnownKey | None] = Gather(lambda hashes: lookups.find_keys(database, hashes))
        self.kid_lookups: Gather[str, VerifyingKey | None] = Gather(lambda kids: lookups.find_verifying_keys(database, kids))
        self.tenant_lookups: Gather[str, Tenant | None] = Gather(lambda names: lookups.find_tenants(database, names))
        self.sign_ins: Gather[Sighting, KnownSubscriber] = Gather(lambda sightings: lookups.sign_in(database, sightings), paced=True)
        self.used: dict[int, float] = {}
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write down, every 30 s, when keys were last used."""
        self.task = asyncio.create_task(self.flush_regularly())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        with suppress(*POSTGRES_AWAY):
            await self.flush()

    # API keys

    async def key_holder(self, secret: str) -> KeyHolder:
        """Raises Unauthenticated with the reason."""
        hashed = hash_of(secret)
        entry = self.keys.get(hashed)
        known = entry.value if entry is not None else await self.look_up(self.keys, self.key_lookups, hashed, hashed)
        if known is None:
            raise refused("unknown", "There is no such API key.")
        if known.is_revoked:
            raise refused("revoked", "This API key was revoked.")
        now = time.time()
        if known.ends_at is not None and known.ends_at.timestamp() <= now:
            raise refused("expired", f"This API key ended at {known.ends_at:%Y-%m-%dT%H:%M:%SZ}.")
        self.used[known.id] = now
        belong_to_project(known.holder.tenant.key)
        return known.holder

    def key_revoked(self, key: str) -> bool:
        """Whether a key that was good when a long request began has been revoked since (or rotated away with no overlap)."""
        return self.ended_keys.get(key) is not None

    # Subscriber tokens

    async def session(self, token: str) -> SubscriberSession:
        """Raises Unauthenticated with the reason. An unknown subscriber is created."""
        hashed = blake2b(token.encode("utf-8", "surrogateescape"), digest_size=16).digest()
        kept = self.tokens.get(hashed)
        kid = kid_of(token) if kept is None else kept.value[0]
        # Also for a token seen before: its key may have been revoked since.
        key = await self.verifying_key(kid)
        claims = verify(token, key) if kept is None else kept.value[1]
        now = time.time()
        check_life(claims, now)
        if kept is None:
            self.tokens.put(hashed, (kid, claims), claims.exp - now)
        tenant = key.tenant or await self.tenant(claims.project)
        belong_to_project(tenant.key)
        known = await self.subscriber(tenant.id, claims.sub, claims.iat, "token")
        if claims.iat < known.valid_after:
            raise refused("revoked", "The tokens of this subscriber were revoked after this one was issued; ask your server for a new one.")
        return SubscriberSession(
            tenant, known.id, claims.sub, datetime.fromtimestamp(claims.iat, UTC), datetime.fromtimestamp(claims.exp, UTC), kid
        )

    def is_over(self, session: SubscriberSession) -> bool:
        """Whether a revocation that came in lately ends it. Ask once more after registering a stream: it may have come in between."""
        ended = self.ended_tokens.get(session.subscriber)
        if ended is not None and session.issued_at.timestamp() < ended.value:
            return True
        return session.kid is not None and self.ended_kids.get(session.kid) is not None

    async def verifying_key(self, kid: str) -> VerifyingKey:
        entry = self.verifying_keys.get(kid)
        key = entry.value if entry is not None else await self.look_up(self.verifying_keys, self.kid_lookups, kid, kid)
        if key is None:
            raise refused("unknown_key", f"The key {kid!r} that signed the token is unknown, or was revoked.")
        return key

    async def tenant(self, key: str) -> Tenant:
        entry = self.tenants.get(key)
        tenant = entry.value if entry is not None else await self.look_up(self.tenants, self.tenant_lookups, key, key)
        if tenant is None:
            raise refused("project", f"There is no project {key[:80]!r}.")
        return tenant

    async def subscriber(self, project: int, external_id: str, issued_at: float, actor: str) -> KnownSubscriber:
        place = (project, external_id)
        entry = self.subscribers.get(place)
        if entry is not None:
            return entry.value
        return await self.look_up(self.subscribers, self.sign_ins, place, Sighting(project, external_id, issued_at, actor))

    async def mint(self, tenant: Tenant, external_id: str, ttl_s: int, actor: str) -> tuple[str, datetime]:
        """A token for the subscriber, who is created if unknown, and when it ends."""
        known = await self.subscriber(tenant.id, external_id, time.time(), actor)
        entry = self.signers.get("")
        signer = entry.value if entry is not None else await current_signer(self.database)
        if entry is None:
            self.signers.put("", signer, TTL_S)
        return mint(signer, tenant, external_id, ttl_s, known.valid_after)

    async def look_up(self, recent: Recent[P, Any], gather: Gather[K, V], place: P, key: K) -> V:
        for _ in range(TRIES):
            before = self.forgettings
            found = await gather.get(key)
            if self.forgettings == before:
                recent.put(place, found, UNKNOWN_TTL_S if found is None else TTL_S)
                break
        return found

    # What the log says

    def apply(self, event: LogEvent) -> None:
        """Forget what the event touched. Cheap for the events that touch nothing, which are nearly all."""
        kind, _, what = event.type.partition(".")
        if kind in ("key", "public_key") or what in ("tokens_revoked", "deleted"):
            self.forgettings += 1
            self.forget(event, msgspec.json.decode(event.data))

    def forget(self, event: LogEvent, data: dict[str, Any]) -> None:
        match event.type:
            case "key.revoked" | "key.rotated":
                ends_at = datetime.fromisoformat(data["ends_at"]) if event.type == "key.rotated" else None
                self.forget_key(data["key"], is_over=ends_at is None or ends_at <= datetime.now(UTC))
            case "public_key.revoked":
                self.verifying_keys.forget(data["kid"])
                self.ended_kids.put(data["kid"], True, TTL_S)
            case "public_key.added":
                self.verifying_keys.forget(data["kid"])
            case "subscriber.tokens_revoked":
                self.forget_subscriber(event, data["subscriber"], datetime.fromisoformat(data["valid_after"]).timestamp())
            case "subscriber.deleted":
                self.forget_subscriber(event, data["subscriber"], time.time())

    def forget_key(self, key: str, is_over: bool) -> None:
        for hashed in [hashed for hashed, known in self.keys if known is not None and known.holder.key == key]:
            self.keys.forget(hashed)
        if is_over:
            self.ended_keys.put(key, True, 10 * TTL_S)

    def forget_subscriber(self, event: LogEvent, external_id: str, ended_at: float) -> None:
        self.subscribers.forget((event.project, external_id))
        for subscriber in event.recipients or ():
            self.ended_tokens.put(subscriber, ended_at, TTL_S)

    def forget_here(self, project: int, external_id: str) -> None:
        """At once in the process that did it, before the event comes round."""
        self.forgettings += 1
        self.subscribers.forget((project, external_id))

    def forget_key_here(self, key: str) -> None:
        self.forgettings += 1
        self.forget_key(key, is_over=True)

    # Last used

    async def flush_regularly(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            try:
                await self.flush()
            except POSTGRES_AWAY as error:
                logger.warning("when keys were last used could not be written ({}); it is tried again", type(error).__name__)

    async def flush(self) -> None:
        used, self.used = self.used, {}
        if not used:
            return
        try:
            # In order, so that two processes flushing the same keys never wait in a ring.
            ids = sorted(used)
            await self.database.system.execute(USED, ids, [datetime.fromtimestamp(used[inner], UTC) for inner in ids])
        except BaseException:
            self.used = used | self.used
            raise


def ended_by(event: LogEvent, session: SubscriberSession) -> bool:
    """Whether this event of the log ends streams and requests that rest on the session."""
    match event.type:
        case "subscriber.deleted":
            return session.subscriber in (event.recipients or ())
        case "subscriber.tokens_revoked":
            valid_after = datetime.fromisoformat(msgspec.json.decode(event.data)["valid_after"])
            return session.subscriber in (event.recipients or ()) and session.issued_at < valid_after
        case "public_key.revoked":
            return session.kid is not None and msgspec.json.decode(event.data)["kid"] == session.kid
        case _:
            return False
