"""Mappings: checked when they are set, used when an event comes. Nothing is written here."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tidings.errors import Invalid, TidingsError
from tidings.notifications.draft import Draft, draft_of
from tidings.notifications.structs import NewNotification
from tidings.platform.problems import field_of
from tidings.sources.conditions import fits
from tidings.sources.paths import Event
from tidings.sources.structs import Mapping, Outcome, Recipient
from tidings.sources.templates import CannotFill, Template, cut, fill, fill_url, fill_value, parse

MOST_TITLE, MOST_BODY = 200, 4000
MOST_LEVELS = 10
# Up to where a URL says whose page it is: a placeholder may stand for all of it, or come after.
OF_A_HOST = re.compile(r"https?://[^/?#]+[/?#]|/(?!/)")


class Mapped(msgspec.Struct, frozen=True):
    """What the mappings make of an event. mapping: the place of the one that fits.   draft: of what is to be published."""

    outcome: Outcome
    mapping: int | None = None
    reason: str | None = None
    draft: Draft | None = None


def mapped(mappings: Sequence[Mapping], event: Event, now: datetime) -> Mapped:
    """By the first mapping that fits."""
    for place, mapping in enumerate(mappings):
        if fits(mapping.when, event):
            try:
                return Mapped("published", place, draft=draft_of(notification_of(mapping, event), now))
            except CannotFill as error:
                return Mapped("failed", place, str(error))
            except TidingsError as error:
                return Mapped("failed", place, reason_of(error))
            except RecursionError:
                return Mapped("failed", place, "data: This is nested too deeply.")
    return Mapped("unmapped")


def reason_of(error: TidingsError) -> str:
    field = getattr(error, "field", None) or error.extra.get("field")
    return f"{field}: {error.detail}" if field else error.detail


def notification_of(mapping: Mapping, event: Event) -> NewNotification:
    """Raises CannotFill. A title or body that is too long is cut: nobody can mend it where it comes from."""
    given = {
        "to": [recipient_of(one, event) for one in mapping.to],
        "title": cut(fill(parse(mapping.title), event), MOST_TITLE),
        "body": None if mapping.body is None else cut(fill(parse(mapping.body), event), MOST_BODY),
        "url": filled(mapping.url, event, fill_url),
        "category": filled(mapping.category, event),
        "collapse_key": filled(mapping.collapse_key, event),
        "data": None if mapping.data is None else filled_data(mapping.data, event),
        "priority": mapping.priority,
    }
    if mapping.channels is not None:
        given["channels"] = mapping.channels
    try:
        return msgspec.convert(given, NewNotification)
    except msgspec.ValidationError as error:
        detail, field = field_of(str(error))
        raise CannotFill(f"{field}: {detail}") from None


def recipient_of(recipient: Recipient, event: Event) -> str | dict[str, Any]:
    if recipient.subscriber is not None:
        return fill(parse(recipient.subscriber), event)
    return {"everyone": True} if recipient.topic is None else {"topic": fill(parse(recipient.topic), event)}


def filled(text: str | None, event: Event, how: Callable[[Template, Event], str] = fill) -> str | None:
    return None if text is None else how(parse(text), event)


def filled_data(value: Any, event: Event) -> Any:
    if isinstance(value, str):
        return fill_value(parse(value), event)
    if isinstance(value, dict):
        return {name: filled_data(one, event) for name, one in value.items()}
    return [filled_data(one, event) for one in value] if isinstance(value, list) else value


def check_mappings(mappings: Sequence[Mapping]) -> None:
    """Raises Invalid, naming the field."""
    for place, mapping in enumerate(mappings):
        check_mapping(mapping, f"mappings[{place}]")


def check_mapping(mapping: Mapping, where: str) -> None:
    for place, one in enumerate(mapping.to):
        check_recipient(one, f"{where}.to[{place}]")
    for name in ("title", "body", "category", "collapse_key"):
        if (text := getattr(mapping, name)) is not None:
            check_text(text, f"{where}.{name}")
    if mapping.url is not None:
        check_url(mapping.url, f"{where}.url")
    check_data(mapping.data, f"{where}.data")


def check_recipient(one: Recipient, where: str) -> None:
    if (one.subscriber is not None) + (one.topic is not None) + one.everyone != 1:
        raise Invalid('A recipient is {"subscriber": "…"}, {"topic": "…"} or {"everyone": true}.', field=where)
    check_text(one.subscriber or one.topic or "", where)


def check_text(text: str, where: str) -> Template:
    if "\x00" in text:
        raise Invalid("PostgreSQL cannot keep the character U+0000.", field=where)
    try:
        return parse(text)
    except ValueError as error:
        raise Invalid(str(error), field=where) from None


def check_url(text: str, where: str) -> None:
    template = check_text(text, where)
    begins = template[0]
    if len(template) > 1 and isinstance(begins, str) and not OF_A_HOST.match(begins):
        raise Invalid("A placeholder in a url is its beginning, or comes after the host: an event must not choose half of it.", field=where)


def check_data(value: Any, where: str, level: int = 1) -> None:
    if level > MOST_LEVELS:
        raise Invalid(f"data may be {MOST_LEVELS} levels deep.", field=where)
    if isinstance(value, str):
        check_text(value, where)
    elif isinstance(value, dict):
        for name, one in value.items():
            check_data(one, f"{where}.{name[:80]}", level + 1)
    elif isinstance(value, list):
        for place, one in enumerate(value):
            check_data(one, f"{where}[{place}]", level + 1)
