"""The users, as Locust runs them: each is a greenlet. Those of one process share their lines, so that each knows what must come."""

import json
import random
import time
from typing import Any

import gevent  # type: ignore[import-untyped]
import msgspec
from locust import User, task
from locust.contrib.fasthttp import FastHttpUser
from locust.env import Environment

from loadtests.scenarios.crew import body_of, crew_of
from loadtests.scenarios.lines import Device, Line
from loadtests.scenarios.scenario import Users
from loadtests.scenarios.sse import Refused, Stream

BREATH_S = 0.3
TOKEN_TTL_S = 900
PAGE = 50


class Mark(msgspec.Struct):
    """Of a notification of ours; others have none."""

    line: str = ""
    number: int = 0
    sent_at: float = 0.0


class Shown(msgspec.Struct):
    id: str
    data: Mark | None = None


class Page(msgspec.Struct):
    items: list[Shown]
    next: str | None
    cursor: str


class Minted(msgspec.Struct):
    token: str


class Accepted(msgspec.Struct):
    id: str


shown = msgspec.json.Decoder(Shown)


class Caller(FastHttpUser):
    """Asks the API, at the next process when one is away."""

    abstract = True
    network_timeout = 10.0
    connection_timeout = 2.0
    max_retries = 0

    def __init__(self, environment: Environment) -> None:
        crew = crew_of(environment)
        self.host = crew.bases[0]
        super().__init__(environment)
        self.crew = crew
        self.at = crew.rng.randrange(len(crew.bases))

    def ask(
        self, method: str, path: str, name: str, *, expect: int, token: str | None = None, body: str | None = None, key: str = ""
    ) -> Any:
        """The answer's body, or None when it was another than expected, which Locust counts as a failure."""
        headers = {"Content-Type": "application/json"} | (self.crew.headers if token is None else {"Authorization": f"Bearer {token}"})
        if key:
            headers["Idempotency-Key"] = key
        url = self.crew.bases[self.at % len(self.crew.bases)] + path
        with self.client.request(method, url, name=name, data=body, headers=headers, catch_response=True) as answer:
            if answer.status_code == expect:
                answer.success()
                return answer.content
            answer.failure(f"answered {answer.status_code}")
            if not answer.status_code:
                self.at += 1
            return None

    def until_answered(self, method: str, path: str, name: str, **more: Any) -> bytes:
        while (content := self.ask(method, path, name, **more)) is None:
            gevent.sleep(BREATH_S * random.uniform(0.3, 1))
        return bytes(content)


class Publisher(Caller):
    """Sends its share of the rate, and repeats with the same Idempotency-Key until there is an answer."""

    @task
    def publish(self) -> None:
        """From the beginning to the end of the last stage; then it is done for good."""
        crew = self.crew
        crew.begun.wait()
        self.number = next(crew.publishers)
        # Each process publishes to those who listen in it; Locust may have given it none.
        people = crew.devices[self.number :: self.publishers_here()] or crew.devices
        topic = crew.line_to_topic(self.number) if crew.members else None
        due = 0.0
        while people and (due := crew.scenario.next_due(due, random.expovariate(1))) < crew.scenario.seconds:
            # What could not be sent during an outage is not sent all at once after it.
            due = max(due, crew.elapsed_s - 1)
            gevent.sleep(max(0.0, due - crew.elapsed_s))
            if topic is not None and random.random() < crew.scenario.topic.share:
                self.send([{"topic": crew.topic}], topic)
            else:
                device = random.choice(people)
                self.send([device.subscriber], crew.line_to(self.number, device))
        gevent.sleep(float("inf"))

    def publishers_here(self) -> int:
        assert self.environment.runner is not None
        counts: dict[str, int] = self.environment.runner.user_classes_count
        return counts[type(self).__name__]

    def send(self, to: list[Any], line: Line) -> None:
        crew = self.crew
        line.sent += 1
        body = body_of(crew, to, line, line.sent, time.monotonic())
        crew.tally.unanswered += 1
        answer = self.until_answered("POST", "/v1/notifications", "publish", expect=202, body=body, key=f"{line.name}/{line.sent}")
        crew.tally.unanswered -= 1
        crew.tally.accepted += 1
        line.newest_id = msgspec.json.decode(answer, type=Accepted).id
        line.accepted = line.sent


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


class Reader(Caller):
    """Looks into inboxes: what was accepted for one person is there at once. Marks some of it, as people do."""

    @task
    def look(self) -> None:
        crew = self.crew
        crew.begun.wait()
        gevent.sleep(random.uniform(*crew.scenario.reading.pause_s))
        written = [line for line in crew.personal.values() if line.accepted]
        if not written:
            return
        line = random.choice(written)
        newest = line.newest_id
        token = self.token_of(line.name.rpartition("/")[2])
        answer = self.ask("GET", f"/v1/inbox?limit={PAGE}", "inbox", expect=200, token=token)
        if answer is None:
            return
        page = msgspec.json.decode(answer, type=Page)
        # A full page may have nothing but newer ones.
        if len(page.items) < PAGE and newest not in {item.id for item in page.items}:
            crew.tally.missing_in_inbox += 1
        if page.items and random.random() < 0.3:
            self.ask("POST", "/v1/inbox/read", "mark", expect=200, token=token, body=json.dumps({"ids": [page.items[0].id]}))

    def token_of(self, subscriber: str) -> str:
        answer = self.until_answered("POST", f"/v1/subscribers/{subscriber}/tokens", "token", expect=201, body='{"ttl":60}')
        return msgspec.json.decode(answer, type=Minted).token


def wanted(users: Users) -> list[type[User]]:
    """The classes of a scenario, each with its number."""
    counts = {Publisher: users.publishers, Listener: users.listeners, Reconnecting: users.reconnecting, Reader: users.readers}
    for user, count in counts.items():
        user.fixed_count = count
    return [user for user, count in counts.items() if count]
