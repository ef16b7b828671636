"""A far end may repeat what it was sent: many an error page shows the path, some the headers. Credentials are cut out of what is kept."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from tidings.deliveries.ledger.outcome import Outcome

# Shorter ones would shred every text, and what is so short guards nothing.
SHORTEST = 6
# Of a URL, what is so long is a token, and no word of its path.
SHORTEST_PART = 12
SHOWN = "***"
URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)


def redacted(outcome: Outcome, secrets: Mapping[str, Any]) -> Outcome:
    """The same, without any text of the secrets, in itself or as URLs write it; of one that is a URL, without its parts too."""
    if not outcome.detail and not outcome.response:
        # As nearly all are that were delivered; looking for every form of every secret took a twentieth of a worker.
        return outcome
    texts = {written for text in texts_of(secrets) for form in forms_of(text) for written in (form, quote(form, safe=""), quote(form))}
    reason, detail, response = outcome.reason, outcome.detail, outcome.response
    # The longest first: one may be part of another.
    for text in sorted(texts, key=len, reverse=True):
        reason, detail = reason.replace(text, SHOWN), detail.replace(text, SHOWN)
        response = response.replace(text.encode(), SHOWN.encode())
    if (reason, detail, response) == (outcome.reason, outcome.detail, outcome.response):
        return outcome
    return msgspec.structs.replace(outcome, reason=reason, detail=detail, response=response)


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
    if len(text) < SHORTEST:
        return
    yield text
    if (url := URL.fullmatch(text)) is None:
        return
    # Whose host it is says nothing, but where the scheme is another, the token may stand in its place.
    rest = url[2].partition("/")[2] if url[1].lower() in ("http", "https") else url[2]
    yield from (part for part in (rest, *re.split(r"[/?&=:@]", rest)) if len(part) >= SHORTEST_PART)
