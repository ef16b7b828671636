"""How users ask the API, and what it answers, as far as they look at it."""

import random
import ssl
from functools import cache
from typing import Any

import gevent  # type: ignore[import-untyped]
import msgspec
from locust.contrib.fasthttp import FastHttpUser
from locust.env import Environment

from loadtests.scenarios.crew import crew_of

BREATH_S = 0.3


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


@cache
def checking() -> ssl.SSLContext:
    """Locust's own checks no certificate, and is made anew for each user."""
    return ssl.create_default_context()


class Caller(FastHttpUser):
    """Asks the API, at the next process when one is away."""

    abstract = True
    network_timeout = 10.0
    connection_timeout = 5.0
    max_retries = 0
    insecure = False
    ssl_context_factory = staticmethod(checking)

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
