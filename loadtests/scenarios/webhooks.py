"""The endpoint through which a run's webhooks come, and what the receiver says of them. Blocking; used by the master only."""

import json
import urllib.error
import urllib.request
from typing import Any

import msgspec

from loadtests.scenarios.scenario import Webhooks

WITHIN_S = 10.0


class Counted(msgspec.Struct):
    """As the receiver tells it. distinct: notifications that were answered with 2xx.   repeated: deliveries that came again after that.

    refused: answered with 500.   forged: whose signature does not hold.
    """

    distinct: int = 0
    repeated: int = 0
    refused: int = 0
    forged: int = 0


class Hook:
    """base: of the API.   receiver: as Tidings reaches it."""

    def __init__(self, base: str, headers: dict[str, str], receiver: str, secret: str, webhooks: Webhooks) -> None:
        self.base = base
        self.headers = headers
        self.receiver = receiver.rstrip("/")
        self.body = {
            "url": f"{self.receiver}/hook",
            "events": ["notification.created"],
            "secret": secret,
            "schedule": webhooks.schedule,
            "description": "Load test",
        }
        self.endpoint = ""

    def open(self) -> None:
        ask("POST", f"{self.receiver}/forget", {})
        self.endpoint = ask("POST", f"{self.base}/v1/endpoints", self.headers, self.body)["id"]

    def close(self) -> None:
        if self.endpoint:
            ask("DELETE", f"{self.base}/v1/endpoints/{self.endpoint}", self.headers)
            self.endpoint = ""

    def counted(self) -> Counted:
        return msgspec.convert(ask("GET", f"{self.receiver}/figures", {}), Counted)


def ask(method: str, url: str, headers: dict[str, str], body: Any = None) -> Any:
    """The decoded answer. Raises OSError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers | {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        raise OSError(f"{method} {url} was answered with {error.code}: {error.read(500).decode(errors='replace')}") from None
    return json.loads(text) if text else None
