"""Users who hold streams, and check what comes. Those who leave them, too."""

import json
import random
import time

import gevent  # type: ignore[import-untyped]
import msgspec
from locust import task
from locust.env import Environment

from loadtests.scenarios.asking import BREATH_S, Caller, Minted, Page, Shown
from loadtests.scenarios.lines import Device
from loadtests.scenarios.sse import Refused, Stream

TOKEN_TTL_S = 900

shown = msgspec.json.Decoder(Shown)


class Listener(Caller):
    """Holds a stream, and checks what comes: each of its lines without a hole, in order, and nothing twice."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.device: Device = self.crew.device()
        self.cursor: str | None = None
        self.token = ""
        self.token_until = 0.0
        self.broken_at = 0.0

    @task
    def listen(self) -> None:
        storms = self.crew.storms
        try:
            self.follow(self.opened())
        except Refused as refused:
            if refused.status == 401:
                self.token = ""
            self.pause(min(refused.retry_after_s, 5) or 2 * BREATH_S)
        except OSError:
            if storms == self.crew.storms:
                self.pause(BREATH_S)

    def pause(self, longest_s: float) -> None:
        gevent.sleep(longest_s * random.uniform(0.3, 1))

    def opened(self) -> Stream:
        began, base = time.monotonic(), random.choice(self.crew.stream_bases)
        failed: Exception | None = None
        try:
            return Stream(base, self.signed_in(), self.cursor)
        except (OSError, Refused) as error:
            failed = error
            raise
        finally:
            self.record("open", began, failed)

    def signed_in(self) -> str:
        if not self.token or time.monotonic() > self.token_until:
            path = f"/v1/subscribers/{self.device.subscriber}/tokens"
            answer = self.until_answered("POST", path, "token", expect=201, body=f'{{"ttl":{TOKEN_TTL_S}}}')
            self.token, self.token_until = msgspec.json.decode(answer, type=Minted).token, time.monotonic() + TOKEN_TTL_S / 2
        return self.token

    def follow(self, stream: Stream) -> None:
        """Until the connection ends. Raises OSError."""
        self.crew.open.add(stream)
        opened_at = time.monotonic()
        try:
            for event in stream.events():
                if event.name == "notification":
                    self.take(event.id or "", shown.decode(event.data), opened_at)
                elif event.name == "ready":
                    self.is_live()
                elif event.name == "reset":
                    self.start_again()
                if event.id is not None:
                    self.cursor = event.id
        finally:
            self.broken_at = time.monotonic()
            self.crew.open.discard(stream)
            stream.close()

    def is_live(self) -> None:
        crew, name = self.crew, self.device.subscriber
        if name in crew.listening:
            crew.tally.reconnects += 1
            self.record("reconnect", self.broken_at)
            return
        if self.device in crew.members:
            body = json.dumps({"add": [name]})
            self.until_answered("PUT", f"/v1/topics/{crew.topic}/subscribers", "topic", expect=200, body=body)
        crew.listening.add(name)

    def take(self, cursor: str, notification: Shown, opened_at: float) -> None:
        mark = notification.data
        if mark is None or not mark.line.startswith(self.crew.run):
            return
        self.device.take(cursor, mark.line, mark.number)
        # What was missed is as old as the absence was long.
        if mark.sent_at > opened_at:
            self.record("event", mark.sent_at)

    def start_again(self) -> None:
        """After a reset the inbox says what was missed."""
        self.device.reset(None)
        after: str | None = ""
        while after is not None:
            page = self.page(after)
            for item in page.items:
                if item.data is not None and item.data.line.startswith(self.crew.run):
                    self.device.snapshot(item.data.line, item.data.number)
            after = page.next

    def page(self, after: str) -> Page:
        path = "/v1/inbox?limit=200" + (f"&after={after}" if after else "")
        return msgspec.json.decode(self.until_answered("GET", path, "inbox after reset", expect=200, token=self.signed_in()), type=Page)

    def record(self, name: str, since: float, error: Exception | None = None) -> None:
        """Straight into the statistics: an event of Locust's for each of ours costs as much again."""
        stats = self.environment.stats
        stats.log_request("SSE", name, 1000 * (time.monotonic() - since), 0)
        if error is not None:
            stats.log_error("SSE", name, repr(error))


class Reconnecting(Listener):
    """Leaves in the middle of things, and comes back with the last id that it took: nothing of what it missed may be missing."""

    def follow(self, stream: Stream) -> None:
        leaving = gevent.spawn_later(random.uniform(*self.crew.scenario.leaving.stays_s), stream.cut)
        try:
            super().follow(stream)
        finally:
            leaving.kill(block=False)

    def pause(self, longest_s: float) -> None:
        gevent.sleep(random.uniform(*self.crew.scenario.leaving.away_s))
        # It went by itself: what is measured is the way back.
        self.broken_at = time.monotonic()
