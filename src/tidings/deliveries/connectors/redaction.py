"""A far end may repeat what it was sent: many an error page shows the path, some the headers. Credentials are cut out of what is kept."""

import base64
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec

from tidings.deliveries.ledger.outcome import Outcome

# Shorter ones would shred every text, and what is so short guards nothing.
SHORTEST = 6
# Of a URL, or of a text of several words, what is so long is a token, and no word of a path or a sentence.
SHORTEST_PART = 12
SHOWN = "***"
URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)


def redacted(outcome: Outcome, secrets: Mapping[str, Any]) -> Outcome:
    """The same, without any text of the secrets, however it is written; of one that is a URL or several words, without its parts too."""
    if not outcome.detail and not outcome.response:
        # As nearly all are that were delivered.
        return outcome
    reason, detail, response = outcome.reason, outcome.detail, outcome.response
    for text, content in writings(tuple(texts_of(secrets))):
        reason, detail = reason.replace(text, SHOWN), detail.replace(text, SHOWN)
        response = response.replace(content, SHOWN.encode())
    if (reason, detail, response) == (outcome.reason, outcome.detail, outcome.response):
        return outcome
    return msgspec.structs.replace(outcome, reason=reason, detail=detail, response=response)


# Finding every form of every secret anew took a twentieth of a worker.
@lru_cache(maxsize=1000)
def writings(secrets: tuple[str, ...]) -> Sequence[tuple[str, bytes]]:
    """All that is to be cut out, as text and as bytes. The longest first: one may be part of another."""
    texts = {written for text in secrets for form in forms_of(text) for written in writings_of(form)}
    return [(text, text.encode()) for text in sorted(texts, key=len, reverse=True)]


def texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from texts_of(member)
    elif isinstance(value, Sequence):
        for member in value:
            yield from texts_of(member)


def forms_of(text: str) -> Iterator[str]:
    """It, and what of it may stand alone: the token of `Bearer TOKEN`, the parts of a URL."""
    if len(text) < SHORTEST:
        return
    yield text
    yield from (word for word in text.split() if len(word) >= SHORTEST_PART)
    if (url := URL.fullmatch(text)) is None:
        return
    # Whose host it is says nothing, but where the scheme is another, the token may stand in its place.
    rest = url[2].partition("/")[2] if url[1].lower() in ("http", "https") else url[2]
    yield from (part for part in (rest, *re.split(r"[/?&=:@]", rest)) if len(part) >= SHORTEST_PART)


def writings_of(text: str) -> Iterator[str]:
    """As it is, and as URLs, JSON, HTML and base64 write it, in which Basic and SMTP sign in."""
    as_json = msgspec.json.encode(text).decode()[1:-1]
    yield from (text, quote(text, safe=""), quote(text), as_json, as_json.replace("/", "\\/"), html.escape(text))
    content = text.encode()
    for before in range(3):
        # Wherever it begins: only the characters in which nothing before and behind it has a part.
        first, end = -(-before * 8 // 6), (before + len(content)) * 8 // 6
        yield base64.b64encode(bytes(before) + content)[first:end].decode()
