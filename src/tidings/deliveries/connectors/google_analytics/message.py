"""Events of one client in a request (https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference).

What is beyond a limit is dropped without a word: 25 events a request, 40 characters of a name, 100 of a value, 72 hours back.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid5

import msgspec

from tidings.deliveries.connectors.analytics.fact import Fact

MOST_EVENTS = 25
LONGEST_NAME = 40
LONGEST_VALUE = 100
# An hour less than what is counted at its own time, for the way there.
OLDEST = timedelta(hours=71)

CLIENTS = UUID("0f2b6a7e-6d0c-4d57-9a55-0a4a7f9c6f4e")
# What was agreed to is a count of what people do here, and nothing for advertisements.
NO_ADS = {"ad_user_data": "DENIED", "ad_personalization": "DENIED"}


def groups_of(facts: Iterable[Fact]) -> Iterator[list[Fact]]:
    """Those of one person, or of nobody, at most 25 at a time."""
    of_whom: defaultdict[str | None, list[Fact]] = defaultdict(list)
    for fact in facts:
        of_whom[fact.person].append(fact)
    for together in of_whom.values():
        yield from (together[start : start + MOST_EVENTS] for start in range(0, len(together), MOST_EVENTS))


def body_of(facts: Sequence[Fact], project: str) -> bytes:
    """Of facts of the same person."""
    person = facts[0].person
    body: dict[str, Any] = {"client_id": client_id(project, person), "consent": NO_ADS, "events": [event_of(fact) for fact in facts]}
    return msgspec.json.encode(body if person is None else body | {"user_id": person})


def client_id(project: str, person: str | None) -> str:
    """The same whenever it is asked for; what is of nobody is a client of its own."""
    return str(uuid5(CLIENTS, project if person is None else f"{project}/{person}"))


def event_of(fact: Fact) -> dict[str, Any]:
    """event_id: that of the delivery. Google counts what comes twice two times; in an export it can be told by this."""
    params = {key: shortened(value) for key, value in fact.properties.items()}
    micros = int(fact.at.timestamp() * 1_000_000)
    return {"name": name_of(fact.name), "timestamp_micros": micros, "params": params | {"event_id": fact.id}}


def name_of(name: str) -> str:
    """As Google takes it: "Notification Sent" is notification_sent."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower())[:LONGEST_NAME]


def shortened(value: Any) -> Any:
    return value[: LONGEST_VALUE - 1] + "…" if isinstance(value, str) and len(value) > LONGEST_VALUE else value


def collect_url(base: str, measurement_id: str, api_secret: str) -> str:
    """With the secret: Google takes it nowhere else. It must reach no log and no detail."""
    return f"{base}/mp/collect?{urlencode({'measurement_id': measurement_id, 'api_secret': api_secret})}"
