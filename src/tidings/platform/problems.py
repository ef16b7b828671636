"""Errors as RFC 9457 problem documents: what was wrong, where, and what to do."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import asyncpg
import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from loguru import logger
from msgspec import Meta

from tidings.errors import (
    BadAnswer,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    Malformed,
    NotFound,
    TidingsError,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from tidings.platform.metrics import ERRORS, REQUESTS
from tidings.platform.telemetry.belonging import belonging

MEDIA_TYPE = "application/problem+json"
# A name, not an address: problems are described where they are met, in `detail`.
TYPE_BASE = "urn:tidings:problem:"


class Problem(msgspec.Struct, omit_defaults=True):
    """RFC 9457. field: the path of the member that was wrong, as in `to[2].topic`.   request_id: as in `X-Request-Id`, and in our log."""

    type: Annotated[str, Meta(examples=["urn:tidings:problem:invalid"])]
    title: str
    status: int
    detail: str
    field: str | None = None
    request_id: str | None = None


BY_STATUS: dict[int, type[TidingsError]] = {
    error.status: error
    for error in (
        TidingsError,
        Malformed,
        Unauthenticated,
        Forbidden,
        NotFound,
        Conflict,
        Gone,
        TooLarge,
        UnsupportedMediaType,
        Invalid,
        TooMany,
        BadAnswer,
        Unavailable,
    )
}


def responses(success: int, body: Any, *failures: int) -> dict[int, ResponseSpec]:
    """The answers of a route, for the OpenAPI document. body: None where Litestar knows it from the return type."""
    documented = {status: failure_spec(status) for status in failures}
    if body is not None:
        documented[success] = ResponseSpec(body, description="Done", generate_examples=False)
    return documented


def failure_spec(status: int) -> ResponseSpec:
    if status == 304:
        return ResponseSpec(None, description="Not modified: the caller has it already")
    return ResponseSpec(Problem, description=BY_STATUS[status].title, media_type=MEDIA_TYPE, generate_examples=False)


def problem_of(error: TidingsError) -> dict[str, Any]:
    document: dict[str, Any] = {"type": TYPE_BASE + error.code, "title": error.title, "status": error.status, "detail": error.detail}
    if getattr(error, "field", None) is not None:
        document["field"] = error.field  # type: ignore[attr-defined]
    return document | error.extra


def problem_response(error: TidingsError) -> Response[bytes]:
    REQUESTS.labels(error.status).inc()
    headers: dict[str, str] = {}
    if isinstance(error, TooMany | Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthenticated):
        # RFC 6750 §3: the reason, without quotes that would end the parameter.
        reason = error.detail.replace('"', "'").encode("ascii", "replace").decode()
        headers["WWW-Authenticate"] = f'Bearer realm="tidings", error="invalid_token", error_description="{reason}"'
    return Response(msgspec.json.encode(named(problem_of(error))), status_code=error.status, media_type=MEDIA_TYPE, headers=headers)


def named(document: dict[str, Any]) -> dict[str, Any]:
    """With the name of the request under way, to be looked for in the log."""
    about = belonging()
    return document if about is None or about.request is None else document | {"request_id": about.request}


def on_tidings_error(_: Request[Any, Any, Any], error: TidingsError) -> Response[bytes]:
    return problem_response(error)


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Litestar's own refusals: no such route, wrong method, a body that cannot be read."""
    if error.status_code == 404:
        return problem_response(NotFound(f"There is no {request.url.path}. The API is described at /docs."))
    if error.status_code == 413:
        return problem_response(TooLarge("A request may have at most 1 MiB."))
    if "disconnected" in str(error.detail):
        # It left while it was sending; nobody reads this answer, and it is no failure of ours.
        return problem_response(Malformed("The request ended before its body did."))
    if error.status_code >= 500:
        return on_unforeseen(request, error)
    if error.status_code == 400:
        return problem_response(Malformed(f"The body is no JSON that could be read: {error.detail}."))
    if error.status_code in BY_STATUS:
        return problem_response(BY_STATUS[error.status_code](str(error.detail)))
    document = {"type": "about:blank", "title": str(error.detail), "status": error.status_code, "detail": str(error.detail)}
    return Response(msgspec.json.encode(named(document)), status_code=error.status_code, media_type=MEDIA_TYPE, headers=error.headers)


def on_validation_exception(_: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    """A body or parameter of the wrong type. Litestar lists what msgspec said of each."""
    found = error.extra if isinstance(error.extra, list) else []
    first: Mapping[str, Any] = found[0] if found else {}
    message = str(first.get("message") or error.detail)
    if message == "'data'":
        return problem_response(Malformed("There is no body; send a JSON object."))
    detail, field = field_of(message)
    key = first.get("key")
    # Litestar calls the whole body `data` too.
    if field is None and key is not None and not (key == "data" and message.startswith("Expected `object`,")):
        field = str(key)
    if "malformed" in message.lower() or "JSON is" in message or "Input data was truncated" in message:
        return problem_response(Malformed(f"The body is no JSON: {detail}"))
    return problem_response(Invalid(detail, field=field))


PATH = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)


def field_of(message: str) -> tuple[str, str | None]:
    """msgspec says "Expected `str`, got `int` - at `$.to[2]`": the sentence, and the path as a caller would write it."""
    match = PATH.match(message)
    what, path = (match["what"], match["path"]) if match else (message, None)
    missing = re.search(r"(?:missing required field|contains unknown field) `(.+?)`", what)
    field = (path or "").removeprefix("key in ").removeprefix("$").removeprefix(".").replace("[...]", "[]")
    if missing:
        field = f"{field}.{missing[1]}" if field else missing[1]
    return what + ("" if what.endswith(".") else "."), field or None


def on_postgres_away(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    logger.warning("a request found PostgreSQL away: {}: {}", type(error).__name__, error)
    return problem_response(Unavailable("PostgreSQL cannot be reached just now.", retry_after=2))


def on_postgres_error(request: Request[Any, Any, Any], error: asyncpg.PostgresError) -> Response[bytes]:
    passing = (
        asyncpg.InsufficientResourcesError,
        asyncpg.OperatorInterventionError,
        asyncpg.TransactionRollbackError,
        asyncpg.PostgresConnectionError,
    )
    if isinstance(error, passing):
        return on_postgres_away(request, error)
    if isinstance(error, asyncpg.CharacterNotInRepertoireError | asyncpg.UntranslatableCharacterError):
        return problem_response(Invalid("A text holds the character U+0000, which PostgreSQL cannot keep."))
    return on_unforeseen(request, error)


def on_unreadable(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    what = "is nested too deeply" if isinstance(error, RecursionError) else "is no UTF-8"
    return problem_response(Malformed(f"The body {what}."))


def on_unforeseen(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    ERRORS.labels("api").inc()
    # Not its path, which may hold a person's address or a token.
    logger.opt(exception=error).error("{} {} failed", request.method, request.scope.get("path_template") or "(no route)")
    return problem_response(TidingsError("This was not foreseen; it is in the log of the server."))


HANDLERS: dict[Any, Any] = {
    TidingsError: on_tidings_error,
    ValidationException: on_validation_exception,
    HTTPException: on_http_exception,
    asyncpg.PostgresError: on_postgres_error,
    asyncpg.InterfaceError: on_postgres_away,
    UnicodeDecodeError: on_unreadable,
    RecursionError: on_unreadable,
    asyncpg.InternalClientError: on_postgres_away,  # see platform/postgres.py
    OSError: on_postgres_away,
    TimeoutError: on_postgres_away,
    Exception: on_unforeseen,
}
