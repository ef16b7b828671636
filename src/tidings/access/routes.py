"""API keys, public keys and subscriber tokens."""

from typing import Annotated

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, Parameter

from tidings.access.cache import AccessCache
from tidings.access.guards import may
from tidings.access.idempotency import OnceKey, answer_once
from tidings.access.keys import create_key, list_keys, revoke_key, rotate_key, without_secret
from tidings.access.principals import KeyHolder
from tidings.access.public_keys import add_public_key, list_public_keys, revoke_public_key
from tidings.access.revocation import revoke_tokens
from tidings.access.signing import published_keys
from tidings.access.structs import (
    SHOWN_ONCE,
    JsonWebKeys,
    KeyCreated,
    KeyPage,
    NewKey,
    NewPublicKey,
    NewToken,
    PublicKeyInfo,
    PublicKeys,
    Rotation,
    TokenCreated,
    TokensRevoked,
)
from tidings.events.wake import Waker
from tidings.platform.paging import DEFAULT_LIMIT, After, Limit
from tidings.platform.postgres import Database, tenant_transaction
from tidings.platform.problems import responses

SubscriberIdInPath = Annotated[
    str, Parameter(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)", description="The id your product gives a person.")
]


@get("/v1/keys", guards=[may("keys:read")], operation_id="ListKeys", tags=["Keys"], responses=responses(200, None, 400, 401, 403, 503))
async def get_keys(
    holder: NamedDependency[KeyHolder], database: NamedDependency[Database], limit: Limit = DEFAULT_LIMIT, after: After = None
) -> KeyPage:
    """The API keys of the project, oldest first, without their secrets."""
    async with tenant_transaction(database, holder.tenant.id):
        return await list_keys(holder.tenant.id, after, limit)


@post(
    "/v1/keys",
    guards=[may("keys:write")],
    operation_id="CreateKey",
    tags=["Keys"],
    responses=responses(201, KeyCreated, 400, 401, 403, 409, 413, 415, 422, 503),
)
async def post_key(
    data: JSONBody[NewKey],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    waker: NamedDependency[Waker],
    once: NamedDependency[OnceKey | None],
) -> Response[bytes]:
    """Create an API key. Its secret is in this answer and nowhere else. A key gives only scopes that it has."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        answer = await answer_once(
            connection, holder.tenant.id, once, lambda: create_key(connection, holder, data), without_secret=without_secret
        )
    waker.wake(holder.tenant.shard)
    return answer


@post(
    "/v1/keys/{key:str}/rotate",
    guards=[may("keys:write")],
    operation_id="RotateKey",
    tags=["Keys"],
    responses=responses(201, KeyCreated, 400, 401, 403, 404, 409, 413, 415, 422, 503),
)
async def post_key_rotation(
    key: FromPath[str],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    waker: NamedDependency[Waker],
    once: NamedDependency[OnceKey | None],
    data: JSONBody[Rotation | None] = None,
) -> Response[bytes]:
    """Make a new key with the scopes of this one, which ends after `overlap` seconds (24 hours unless said otherwise)."""
    overlap_s = (data or Rotation()).overlap
    async with tenant_transaction(database, holder.tenant.id) as connection:
        answer = await answer_once(
            connection, holder.tenant.id, once, lambda: rotate_key(connection, holder, key, overlap_s), without_secret=without_secret
        )
    waker.wake(holder.tenant.shard)
    return answer


@delete(
    "/v1/keys/{key:str}",
    guards=[may("keys:write")],
    operation_id="RevokeKey",
    tags=["Keys"],
    responses=responses(204, None, 401, 403, 404, 503),
)
async def delete_key(
    key: FromPath[str],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    access: NamedDependency[AccessCache],
    waker: NamedDependency[Waker],
) -> None:
    """End an API key now; its open requests end within a second."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        await revoke_key(connection, holder.tenant, key, holder.actor)
    access.forget_key_here(key)
    waker.wake(holder.tenant.shard)


@get(
    "/v1/public-keys",
    guards=[may("keys:read")],
    operation_id="ListPublicKeys",
    tags=["Keys"],
    responses=responses(200, None, 401, 403, 503),
)
async def get_public_keys(holder: NamedDependency[KeyHolder], database: NamedDependency[Database]) -> PublicKeys:
    """The public keys whose tokens are accepted for this project, newest first, with those revoked lately."""
    async with tenant_transaction(database, holder.tenant.id):
        return await list_public_keys(holder.tenant.id)


@post(
    "/v1/public-keys",
    guards=[may("keys:write")],
    operation_id="AddPublicKey",
    tags=["Keys"],
    responses=responses(201, PublicKeyInfo, 400, 401, 403, 409, 413, 415, 422, 503),
)
async def post_public_key(
    data: JSONBody[NewPublicKey],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    waker: NamedDependency[Waker],
    once: NamedDependency[OnceKey | None],
) -> Response[bytes]:
    """Register an Ed25519 public key, to sign subscriber tokens on your own servers.

    A token is a JWT with the header `alg: EdDSA` and the `kid` of this answer, and the claims `aud: "tidings"`, `project`, `sub` (the
    subscriber's id), `iat` and `exp`, at most 900 seconds apart.
    """
    async with tenant_transaction(database, holder.tenant.id) as connection:
        answer = await answer_once(connection, holder.tenant.id, once, lambda: add_public_key(connection, holder, data))
    waker.wake(holder.tenant.shard)
    return answer


@delete(
    "/v1/public-keys/{kid:str}",
    guards=[may("keys:write")],
    operation_id="RevokePublicKey",
    tags=["Keys"],
    responses=responses(204, None, 401, 403, 404, 503),
)
async def delete_public_key(
    kid: FromPath[str], holder: NamedDependency[KeyHolder], database: NamedDependency[Database], waker: NamedDependency[Waker]
) -> None:
    """End a public key and every token it signed; streams that rest on one end within a second."""
    async with tenant_transaction(database, holder.tenant.id) as connection:
        await revoke_public_key(connection, holder, kid)
    waker.wake(holder.tenant.shard)


@get(
    "/.well-known/jwks.json",
    operation_id="GetJwks",
    tags=["Tokens"],
    security=[],
    responses=responses(200, JsonWebKeys, 503),
)
async def get_jwks(database: NamedDependency[Database]) -> Response[bytes]:
    """The public keys of this deployment (RFC 7517), for whoever wants to verify a subscriber token."""
    body = msgspec.json.encode(await published_keys(database))
    return Response(body, media_type="application/json", headers={"Cache-Control": "public, max-age=300"})


@post(
    "/v1/subscribers/{subscriber_id:str}/tokens",
    guards=[may("tokens:write")],
    operation_id="CreateToken",
    tags=["Tokens"],
    responses=responses(201, TokenCreated, 400, 401, 403, 409, 413, 415, 422, 503),
)
async def post_token(
    subscriber_id: SubscriberIdInPath,
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    access: NamedDependency[AccessCache],
    once: NamedDependency[OnceKey | None],
    data: JSONBody[NewToken | None] = None,
) -> Response[bytes]:
    """A token for the browser of one person, for at most 15 minutes. An unknown subscriber is created."""
    ttl_s = (data or NewToken()).ttl

    async def minted() -> TokenCreated:
        token, expires_at = await access.mint(holder.tenant, subscriber_id, ttl_s, holder.actor)
        return TokenCreated(token=token, expires_at=expires_at)

    if once is None:
        return Response(msgspec.json.encode(await minted()), status_code=201, media_type="application/json")
    async with tenant_transaction(database, holder.tenant.id) as connection:
        return await answer_once(connection, holder.tenant.id, once, minted, without_secret=without_token)


def without_token(created: TokenCreated) -> TokenCreated:
    return TokenCreated(expires_at=created.expires_at, note=SHOWN_ONCE.replace("secret", "token"))


@post(
    "/v1/subscribers/{subscriber_id:str}/tokens/revoke",
    guards=[may("tokens:write")],
    status_code=200,
    operation_id="RevokeTokens",
    tags=["Tokens"],
    responses=responses(200, None, 401, 403, 404, 422, 503),
)
async def post_tokens_revocation(
    subscriber_id: SubscriberIdInPath,
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    access: NamedDependency[AccessCache],
    waker: NamedDependency[Waker],
) -> TokensRevoked:
    """End every token that was issued to a subscriber until now, and the streams that rest on one, within a second.

    Their browsers are forgotten too: none gets a web push until someone signs in there again.
    """
    async with tenant_transaction(database, holder.tenant.id) as connection:
        valid_after = await revoke_tokens(connection, holder.tenant, subscriber_id, holder.actor)
    access.forget_here(holder.tenant.id, subscriber_id)
    waker.wake(holder.tenant.shard)
    return TokensRevoked(valid_after)


router = Router(
    path="/",
    route_handlers=[
        get_keys,
        post_key,
        post_key_rotation,
        delete_key,
        get_public_keys,
        post_public_key,
        delete_public_key,
        get_jwks,
        post_token,
        post_tokens_revocation,
    ],
)
