"""Showing push services who sends (VAPID, RFC 8292): a token for each of them, signed with the project's key, and kept for a while."""

from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from tidings.access.public_keys import base64url
from tidings.push.keys import PRIVATE_KEY
from tidings.vault import Vault

# 24 h at most (RFC 8292 §2); clocks differ.
LIVES = timedelta(hours=12)
# A new one costs a query and a signature.
KEPT = timedelta(minutes=10)
MOST_KEPT = 10_000
FIND = "SELECT public_key, private_key FROM push_keys WHERE project = $1"


class For(NamedTuple):
    """audience: the push service, as in https://push.example.net.   contact: whom it may turn to."""

    project: int
    audience: str
    contact: str


class Authorizations:
    """The header `Authorization`, one in a process for each push service of a project."""

    def __init__(self) -> None:
        self.kept: dict[For, tuple[datetime, str]] = {}

    async def of(self, pool: asyncpg.Pool, vault: Vault, whom: For, now: datetime) -> str | None:
        """None when the project has no key. Raises CannotOpen."""
        found = self.kept.get(whom)
        if found is not None and now < found[0]:
            return found[1]
        async with pool.acquire() as connection:
            row = await connection.fetchrow(FIND, whom.project)
            if row is None:
                return None
            private_key = load_der_private_key(await vault.open(connection, whom.project, PRIVATE_KEY, row["private_key"]), None)
        assert isinstance(private_key, EllipticCurvePrivateKey)
        header = authorization(private_key, row["public_key"], whom, now)
        self.keep(whom, now + KEPT, header)
        return header

    def keep(self, whom: For, until: datetime, header: str) -> None:
        self.kept.pop(whom, None)
        self.kept[whom] = (until, header)
        if len(self.kept) > MOST_KEPT:
            del self.kept[next(iter(self.kept))]


def authorization(private_key: EllipticCurvePrivateKey, public_key: bytes, whom: For, now: datetime) -> str:
    claims = {"aud": whom.audience, "exp": int((now + LIVES).timestamp()), "sub": whom.contact}
    return f"vapid t={jwt.encode(claims, private_key, algorithm='ES256')}, k={base64url(public_key)}"
