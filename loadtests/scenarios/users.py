"""The users, as Locust runs them: each is a greenlet. Those of one process share their lines, so that each knows what must come."""

import json
import random
import time
from typing import Any

import gevent  # type: ignore[import-untyped]
import msgspec
from locust import User, task

from loadtests.scenarios.asking import Accepted, Caller, Minted, Page
from loadtests.scenarios.crew import body_of
from loadtests.scenarios.lines import Line
from loadtests.scenarios.listeners import Listener, Reconnecting
from loadtests.scenarios.scenario import Users

PAGE = 50


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
