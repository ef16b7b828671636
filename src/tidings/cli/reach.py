"""Reaching a running Tidings over HTTP, with nothing but the standard library: `send` has answered before a client library is imported."""

import asyncio
import contextlib
import http.client
import json
import os
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tidings.cli.configuration import API_KEY, demo_file, settings_from_environment
from tidings.errors import TidingsError

READY_TIMEOUT_S = 2.0


class Reach(msgspec.Struct):
    """Where, and with which key."""

    base_url: str
    key: str

    def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """The decoded answer. Raises TidingsError with the problem's own words for anything but a 2xx."""
        status, answer = call(self.base_url, method, path, body, key=self.key, headers=headers)
        if not 200 <= status < 300:
            raise TidingsError(words_of(status, answer))
        return answer


def find_reach(url: str | None, key: str | None) -> Reach:
    """From options, else TIDINGS_API_KEY, else the demo.json of the state folder."""
    settings = settings_from_environment()
    demo = {}
    with contextlib.suppress(OSError, ValueError):
        demo = json.loads(demo_file(settings).read_text())
    key = key or os.environ.get(API_KEY) or demo.get("api_key")
    if not key:
        raise TidingsError(f"No API key: give --key, set {API_KEY}, or run where {demo_file(settings)} is (TIDINGS_STATE_DIR).")
    return Reach(url or demo.get("base_url") or settings.base_url, key)


def call(
    base_url: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 30,
) -> tuple[int, Any]:
    """Status and decoded answer. Raises TidingsError when nobody answers."""
    parts = urlsplit(base_url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "127.0.0.1", parts.port, timeout=timeout_s)
    sent = {"Content-Type": "application/json", "User-Agent": "tidings-cli"} | dict(headers or {})
    if key:
        sent["Authorization"] = f"Bearer {key}"
    try:
        connection.request(method, parts.path.rstrip("/") + path, None if body is None else json.dumps(body), sent)
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise TidingsError(
            f"{base_url} does not answer ({error or type(error).__name__}). Does Tidings run? Start it with `tidings run`, or give --url."
        ) from error
    finally:
        connection.close()
    try:
        return response.status, json.loads(content) if content else None
    except ValueError:
        return response.status, content.decode(errors="replace")


def words_of(status: int, answer: Any) -> str:
    if not isinstance(answer, dict) or "title" not in answer:
        return f"Answered {status}: {str(answer)[:200]}"
    field = f" ({answer['field']})" if answer.get("field") else ""
    return f"{answer.get('detail') or answer['title']}{field} [{status}]"


async def answers_ready(host: str, port: int, scheme: str) -> bool:
    """Whether /health/ready says 200, asked without blocking the loop."""
    # A process of ours on this machine is asked, whatever name its certificate is for.
    tls = ssl._create_unverified_context() if scheme == "https" else None  # noqa: S323
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host if host not in ("0.0.0.0", "::") else None, port, ssl=tls)  # noqa: S104
            try:
                writer.write(b"GET /health/ready HTTP/1.1\r\nHost: tidings\r\nConnection: close\r\n\r\n")
                return (await reader.readline()).split(b" ")[1:2] == [b"200"]
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
