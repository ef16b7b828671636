"""Tidings as this machine reaches it: requests that end in time, and how long they took."""

import asyncio
import time
from collections.abc import Mapping

import httptools
import msgspec

from tidings.cli.doctor.address import Address
from tidings.cli.doctor.exchange import Exchange

ANSWERS_WITHIN_S = 10.0
PROBLEM = "application/problem+json"
# Whatever a request may end with instead of an answer.
NO_ANSWER = (OSError, TimeoutError, httptools.HttpParserError)


class Answer(msgspec.Struct, frozen=True):
    """asked_at: Unix seconds.   took_s: of the whole answer, without what connecting took."""

    status: int
    headers: dict[str, str]
    body: bytes
    asked_at: float
    took_s: float

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    @property
    def is_problem(self) -> bool:
        """Whether Tidings itself refused."""
        return self.content_type.startswith(PROBLEM)


class Place:
    def __init__(self, address: Address, token: str) -> None:
        self.address = address
        self.signed = {"Authorization": f"Bearer {token}"}

    async def get(self, path: str, within_s: float = ANSWERS_WITHIN_S) -> Answer:
        """In the subscriber's name. Raises one of NO_ANSWER."""
        return await self.ask(path, self.signed, within_s)

    async def ask(self, path: str, headers: Mapping[str, str] | None = None, within_s: float = ANSWERS_WITHIN_S) -> Answer:
        """As anybody."""
        async with asyncio.timeout(within_s):
            exchange = await Exchange.connect(self.address)
            try:
                return await self.exchanged(exchange, path, headers or {})
            finally:
                exchange.close()

    async def exchanged(self, exchange: Exchange, path: str, headers: Mapping[str, str]) -> Answer:
        asked_at, began = time.time(), time.monotonic()
        exchange.send(self.address, path, headers)
        await exchange.head()
        body = b""
        while piece := await exchange.piece():
            body += piece
        return Answer(exchange.status, exchange.headers, body, asked_at, time.monotonic() - began)


class Words(msgspec.Struct):
    """Of a problem (RFC 9457)."""

    title: str = ""
    detail: str = ""


def words_of(body: bytes) -> str:
    """A problem's own; empty for what is none."""
    try:
        problem = msgspec.json.decode(body, type=Words)
    except msgspec.MsgspecError:
        return ""
    return problem.detail or problem.title
