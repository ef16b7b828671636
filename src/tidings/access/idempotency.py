"""`Idempotency-Key`: the same request twice has one effect and one answer (draft-ietf-httpapi-idempotency-key-header).

The key's row is written by the transaction that does the work, so the two stand or fall together. An advisory lock held by that
transaction tells "still running" without leaving anything behind when the process is killed. Rows are kept for 24 hours.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.params import HeaderParameter

from tidings.errors import Conflict, Invalid, TidingsError
from tidings.platform.postgres import Connection

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
T = TypeVar("T")
KeyHeader = Annotated[
    str | None,
    HeaderParameter(name=HEADER, description="Makes a repetition of this request, within 24 hours, answer the same and do nothing."),
]


class OnceKey(msgspec.Struct, frozen=True):
    """A caller's key. request_hash: SHA-256 of method, path and body, to tell a repetition from a mistake."""

    key: str
    request_hash: bytes


class Answer(msgspec.Struct, frozen=True):
    """What was answered, or is now. body: encoded JSON."""

    status: int
    body: bytes
    replayed: bool = False


async def once_key(request: Request[Any, Any, Any], idempotency_key: KeyHeader = None) -> OnceKey | None:
    """The caller's key. Raises Invalid when it is empty, longer than 255 characters or not printable ASCII."""
    key = idempotency_key
    if key is None:
        return None
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise Invalid(f"{HEADER} must be 1 to 255 printable ASCII characters, as in a UUID.", field=HEADER)
    digest = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + await request.body()).digest()
    return OnceKey(key, digest)


LOCK = "SELECT key, pg_try_advisory_xact_lock(hashtextextended($1::int || ' ' || key, 7)) FROM unnest($2::text[]) AS key"
RECALL = """
SELECT key, request_hash, status, body FROM idempotency_keys
WHERE project = $1 AND key = ANY($2::text[]) AND created_at > now() - interval '24 hours'
"""
REMEMBER = """
INSERT INTO idempotency_keys (project, key, request_hash, status, body)
SELECT $1, * FROM unnest($2::text[], $3::bytea[], $4::smallint[], $5::bytea[])
ON CONFLICT (project, key) DO UPDATE
SET request_hash = excluded.request_hash, status = excluded.status, body = excluded.body, created_at = now()
"""


async def claim(connection: Connection, project: int, keys: Sequence[OnceKey]) -> dict[str, Answer | TidingsError]:
    """What is already known of these keys: an answer to repeat, or why the request cannot go on. A key that is free is left out.

    The locks last until the caller's transaction ends. Two statements, because the answer must be read with a snapshot taken after
    the lock was had.
    """
    known: dict[str, Answer | TidingsError] = {}
    for key, is_free in await connection.fetch(LOCK, project, [once.key for once in keys]):
        if not is_free:
            known[key] = Conflict(f"A request with this {HEADER} is still running; repeat it in a moment.")
    hashes = {once.key: once.request_hash for once in keys}
    for key, request_hash, status, body in await connection.fetch(RECALL, project, list(hashes)):
        if request_hash == hashes[key]:
            known[key] = Answer(status, body, replayed=True)
        else:
            known[key] = Invalid(f"This {HEADER} was used for another request in the last 24 hours; use a new one.", field=HEADER)
    return known


async def remember(connection: Connection, project: int, answers: Sequence[tuple[OnceKey, Answer]]) -> None:
    """Keep answers, without secrets that are shown once."""
    await connection.execute(
        REMEMBER,
        project,
        [once.key for once, _ in answers],
        [once.request_hash for once, _ in answers],
        [answer.status for _, answer in answers],
        [answer.body for _, answer in answers],
    )


async def answer_once(
    connection: Connection,
    project: int,
    once: OnceKey | None,
    work: Callable[[], Awaitable[T]],
    status: int = 201,
    without_secret: Callable[[T], Any] = lambda answer: answer,
) -> Response[bytes]:
    """Do the work and answer, or repeat the answer that this key already had. Runs inside the caller's transaction.

    without_secret: the answer as it is kept and replayed.
    """
    if once is None:
        return json_response(Answer(status, msgspec.json.encode(await work())))
    known = (await claim(connection, project, [once])).get(once.key)
    if isinstance(known, TidingsError):
        raise known
    if known is not None:
        return json_response(known)
    result = await work()
    await remember(connection, project, [(once, Answer(status, msgspec.json.encode(without_secret(result))))])
    return json_response(Answer(status, msgspec.json.encode(result)))


def json_response(answer: Answer) -> Response[bytes]:
    headers = {REPLAYED_HEADER: "true"} if answer.replayed else {}
    return Response(answer.body, status_code=answer.status, media_type="application/json", headers=headers)
