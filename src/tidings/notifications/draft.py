"""A notification between the door and the transaction: checked, with its id, and its audience as it was named."""

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tidings.errors import Invalid
from tidings.notifications.structs import NewNotification
from tidings.platform.times import future

MAX_DATA_BYTES = 16 * 1024


class Draft(msgspec.Struct):
    """subscribers: ids as given, each once.   topics: keys.   data: encoded JSON."""

    wanted: NewNotification
    subscribers: list[str]
    topics: list[str]
    everyone: bool
    data: str | None


def draft_of(wanted: NewNotification, now: datetime) -> Draft:
    """Check what the types cannot. Raises Invalid, naming the field."""
    subscribers: dict[str, None] = {}
    topics: dict[str, None] = {}
    everyone = False
    for index, one in enumerate(wanted.to):
        if isinstance(one, str):
            subscribers[one] = None
        elif one.everyone and one.topic is None:
            everyone = True
        elif one.topic is not None and not one.everyone:
            topics[one.topic] = None
        else:
            raise Invalid('An audience is {"topic": "…"} or {"everyone": true}.', field=f"to[{index}]")
    check_url(wanted.url)
    future(wanted.expires_at, now, "expires_at")
    check_text(wanted)
    return Draft(wanted, list(subscribers), list(topics), everyone, encoded_data(wanted.data))


def check_url(url: str | None) -> None:
    if url is None:
        return
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        raise Invalid("This is no URL.", field="url") from None
    if scheme not in ("http", "https", "") or not url.isprintable() or " " in url:
        # javascript: and data: would run in the reader's page.
        raise Invalid("A url begins with https://, http:// or is a path of your product, as in /exports/17.", field="url")


def check_text(wanted: NewNotification) -> None:
    for field in ("title", "body", "collapse_key"):
        if "\x00" in (getattr(wanted, field) or ""):
            raise Invalid("PostgreSQL cannot keep the character U+0000.", field=field)


def encoded_data(data: dict[str, Any] | None) -> str | None:
    if data is None:
        return None
    encoded = msgspec.json.encode(data)
    if len(encoded) > MAX_DATA_BYTES:
        raise Invalid(f"data is {len(encoded)} bytes as JSON; at most {MAX_DATA_BYTES} are kept.", field="data")
    return encoded.decode()


def named_recipients(draft: Draft) -> int:
    """How much a draft counts against the 10,000 recipients of a batch."""
    return len(draft.subscribers) + len(draft.topics) + draft.everyone
