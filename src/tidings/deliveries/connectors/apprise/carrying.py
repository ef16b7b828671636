"""Requests of Apprise's services, carried by the one client that everything leaves through.

They call `requests`, which would look up and connect by itself, follow redirects and obey proxies. In a thread that carries, every
session gets an adapter that hands the request to `tidings.outbound` on the loop and waits: what it does not allow is not reached,
whatever the URL of the service names.
"""

import asyncio
import io
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.client import responses
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers

from tidings.outbound.client import Answer, Outbound
from tidings.outbound.errors import OutboundFailed
from tidings.outbound.headers import OURS

TIMEOUT_S = 15.0
# A loop that has ended answers nothing, and a thread that waits for it would keep the process from ending.
LOOP_ENDED_S = 5.0
# A notification through a service takes one request, or a few with a login; a URL may name any number of targets.
MOST_REQUESTS = 20
# Services read what they need out of an answer: a token, a room.
ANSWER_BYTES = 256 * 1024
# Cookies would be those of the service's login; a redirect is an answer like others, as it is everywhere here.
NOT_TOLD = frozenset({"location", "content-encoding", "transfer-encoding"})

here = threading.local()


class Enough(BaseException):
    """Too many requests, or too long. No service may take it for a failure of the network and go on, so it is no Exception."""


class Exchange:
    """What one request came to."""

    def __init__(self, method: str, result: Answer | OutboundFailed) -> None:
        self.method = method
        self.result = result


class Carrier(BaseAdapter):
    """until: on the clock of time.monotonic.   exchanges: all that was carried, in order."""

    def __init__(self, outbound: Outbound, loop: asyncio.AbstractEventLoop, until: float) -> None:
        super().__init__()
        self.outbound = outbound
        self.loop = loop
        self.until = until
        self.exchanges: list[Exchange] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Certificates are verified and times are ours, whatever the URL says (`?verify=no`)."""
        left_s = self.until - time.monotonic()
        if len(self.exchanges) == MOST_REQUESTS or left_s <= 0:
            raise Enough
        method = request.method or "GET"
        timeout_s = min(TIMEOUT_S, left_s)
        carried = asyncio.run_coroutine_threadsafe(self.carry(method, request, timeout_s), self.loop)
        try:
            answer = carried.result(timeout_s + LOOP_ENDED_S)
        except TimeoutError:
            raise Enough from None
        except OutboundFailed as error:
            self.exchanges.append(Exchange(method, error))
            raise requests.ConnectionError(error.detail) from None
        self.exchanges.append(Exchange(method, answer))
        return as_response(answer, request)

    async def carry(self, method: str, request: requests.PreparedRequest, timeout_s: float) -> Answer:
        return await self.outbound.request(
            method,
            request.url or "",
            headers=headers_of(request.headers),
            body=body_of(request.body),
            timeout_s=timeout_s,
            keep_bytes=ANSWER_BYTES,
        )

    def close(self) -> None:
        """Connections are the outbound client's."""


@contextmanager
def carried_by(carrier: Carrier) -> Iterator[None]:
    """For this thread."""
    set_adapter()
    here.carrier = carrier
    try:
        yield
    finally:
        here.carrier = None


@cache
def set_adapter() -> None:
    """Services open sessions themselves, so it is the class that has to know."""
    own = requests.Session.get_adapter

    def get_adapter(session: requests.Session, url: str) -> BaseAdapter:
        return getattr(here, "carrier", None) or own(session, url)

    requests.Session.get_adapter = get_adapter  # type: ignore[method-assign, assignment]


def headers_of(headers: Mapping[str, str | bytes]) -> dict[str, str]:
    """Without those that the outbound client sets. Compressed answers would come as they are."""
    named = {name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in headers.items()}
    return {name: value for name, value in named.items() if name.lower() not in OURS | {"accept-encoding"}}


def body_of(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else b"".join(body)


def as_response(answer: Answer, request: requests.PreparedRequest) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.reason = responses.get(answer.status, "")
    response.headers = CaseInsensitiveDict({name: value for name, value in answer.headers.items() if name not in NOT_TOLD})
    response.encoding = get_encoding_from_headers(response.headers)
    response.raw = io.BytesIO(answer.body)
    response.url = request.url or ""
    response.request = request
    return response
