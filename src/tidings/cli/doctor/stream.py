"""A stream, opened and held, with a stopwatch."""

import asyncio
import contextlib
import time

import msgspec

from tidings.cli.doctor.exchange import Exchange
from tidings.cli.doctor.judge.opening import OPENS_WITHIN_S
from tidings.cli.doctor.measured import Held, Opening
from tidings.cli.doctor.place import NO_ANSWER, Place, words_of
from tidings.cli.doctor.reach import PLAIN


class WatchedStream:
    def __init__(self, place: Place) -> None:
        self.place = place
        self.began = time.monotonic()
        self.exchange: Exchange | None = None
        self.head_s: float | None = None
        self.ready_s: float | None = None
        self.refusal = ""
        self.last_words = ""
        self.heard_at_s: list[float] = []
        self.unread = b""
        self.has_begun = asyncio.Event()
        self.running = asyncio.create_task(self.run())

    @property
    def passed_s(self) -> float:
        return time.monotonic() - self.began

    async def opening(self) -> Opening:
        """What there was of it when its first event came, or when it was waited for long enough."""
        begun = asyncio.create_task(self.has_begun.wait())
        await asyncio.wait((begun, self.running), timeout=OPENS_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        headers = self.exchange.headers if self.exchange else {}
        return Opening(
            head_s=self.head_s,
            ready_s=self.ready_s,
            plain_s=await self.plain() if self.ready_s is None else None,
            status=self.exchange.status if self.exchange else 0,
            words=self.refusal,
            content_type=headers.get("content-type", ""),
            content_encoding=headers.get("content-encoding"),
            cache_control=headers.get("cache-control"),
            age=headers.get("age"),
        )

    async def hold(self, wanted_s: float) -> Held | None:
        """None when it never began."""
        if self.ready_s is None:
            await self.end()
            return None
        await asyncio.wait((self.running,), timeout=self.ready_s + wanted_s - self.passed_s)
        held_s, is_over = self.passed_s - self.ready_s, self.running.done()
        await self.end()
        return Held(
            wanted_s=wanted_s,
            held_s=held_s,
            heard_at_s=[at - self.ready_s for at in self.heard_at_s if at > self.ready_s],
            ended_by="us" if not is_over else "tidings" if self.last_words else "other",
            last_words=self.last_words,
        )

    async def plain(self) -> float | None:
        try:
            return (await self.place.get(PLAIN, OPENS_WITHIN_S)).took_s
        except NO_ANSWER:
            return None

    async def end(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)

    async def run(self) -> None:
        """Ends with the stream, whatever ended it."""
        try:
            self.exchange = await Exchange.connect(self.place.address)
            self.exchange.send(self.place.address, "/v1/stream", self.place.signed | {"Accept": "text/event-stream"})
            await self.exchange.head()
            self.head_s = self.passed_s
            await self.read(self.exchange)
        except NO_ANSWER:
            # Broken, before its head or after: what was seen until then says which.
            self.head_s = self.passed_s if self.head_s is None else self.head_s
        finally:
            if self.exchange is not None:
                self.exchange.close()

    async def read(self, exchange: Exchange) -> None:
        while piece := await exchange.piece():
            if exchange.status != 200:
                self.refusal = words_of(piece)
                return
            self.heard_at_s.append(self.passed_s)
            *blocks, self.unread = (self.unread + piece).split(b"\n\n")
            for block in blocks:
                self.hear(block)

    def hear(self, block: bytes) -> None:
        """An event, or a heartbeat."""
        fields = dict(line.split(b": ", 1) for line in block.strip().split(b"\n") if b": " in line)
        event = fields.get(b"event", b"").decode()
        if event == "ready":
            self.ready_s = self.heard_at_s[-1]
            self.has_begun.set()
        if event in ("closed", "reconnect"):
            self.last_words = f"{event}, {reason_in(fields.get(b'data', b''))}"


def reason_in(data: bytes) -> str:
    with contextlib.suppress(msgspec.MsgspecError):
        return msgspec.json.decode(data, type=dict[str, str]).get("reason", "")
    return ""
