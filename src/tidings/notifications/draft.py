"""A notification between the door and the transaction: checked, with its id, and its audience as it was named."""

import re
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tidings.errors import Invalid
from tidings.notifications.structs import NewNotification
from tidings.platform.times import future

MAX_DATA_BYTES = 16 * 1024
# What `check_url` lets pass without a doubt: no character that urlsplit could trip over.
PLAIN_URL = re.compile(r"(?:https?:/)?/[!-Z\\^-~]*")


class Draft(msgspec.Struct):
    """subscribers: ids as given, each once.   topics: keys.   data: encoded JSON."""

    wanted: NewNotification
    subscribers: list[str]
    topics: list[str]
    everyone: bool
    data: str | None

    @property
    def is_lone(self) -> bool:
        """Whether it is one item in the inbox of one person and nothing else, as most are: see lone.py."""
        return len(self.subscribers) == 1 and not self.topics and self.is_plain

    @property
    def is_topical(self) -> bool:
        """Whether it is an item in the inbox of each member of one topic and nothing else: see topical.py."""
        return len(self.topics) == 1 and not self.subscribers and self.is_plain

    @property
    def is_plain(self) -> bool:
        wanted = self.wanted
        return not self.everyone and not wanted.transient and wanted.collapse_key is None and "in_app" in wanted.channels


def draft_of(wanted: NewNotification, now: datetime) -> Draft:
    """Check what the types cannot. Raises Invalid, naming the field."""
    only = wanted.to[0] if len(wanted.to) == 1 else None
    named = ([only], [], False) if isinstance(only, str) else names_in(wanted)
    if wanted.url is not None and not PLAIN_URL.fullmatch(wanted.url):
        check_url(wanted.url)
    if wanted.expires_at is not None:
        future(wanted.expires_at, now, "expires_at")
    check_text(wanted)
    return Draft(wanted, *named, None if wanted.data is None else encoded_data(wanted.data))


def names_in(wanted: NewNotification) -> tuple[list[str], list[str], bool]:
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
    return list(subscribers), list(topics), everyone


def check_url(url: str) -> None:
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        raise Invalid("This is no URL.", field="url") from None
    if scheme not in ("http", "https", "") or not url.isprintable() or " " in url:
        # javascript: and data: would run in the reader's page.
        raise Invalid("A url begins with https://, http:// or is a path of your product, as in /exports/17.", field="url")


def check_text(wanted: NewNotification) -> None:
    for field, text in (("title", wanted.title), ("body", wanted.body), ("collapse_key", wanted.collapse_key)):
        if text is not None and "\x00" in text:
            raise Invalid("PostgreSQL cannot keep the character U+0000.", field=field)


def encoded_data(data: dict[str, Any]) -> str:
    encoded = msgspec.json.encode(data)
    if len(encoded) > MAX_DATA_BYTES:
        raise Invalid(f"data is {len(encoded)} bytes as JSON; at most {MAX_DATA_BYTES} are kept.", field="data")
    return encoded.decode()


def named_recipients(draft: Draft) -> int:
    """How much a draft counts against the 10,000 recipients of a batch."""
    return len(draft.subscribers) + len(draft.topics) + draft.everyone
