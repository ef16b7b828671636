"""Texts with placeholders, filled with an event's members.

    {{data.object.number}}
    {{data.object.amount_paid|money:data.object.currency}}     an amount in the smallest unit, and the path of its currency
    {{data.object.description|default:"No description"}}       for a member that is missing or null
    {{head_commit.message|truncate:80}}                        at most so many characters, the last of them …

Filters work from left to right. There is nothing else: no code, no attributes, no conditions.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import UNSET, UnsetType

from tidings.sources.money import CURRENCY, money
from tidings.sources.paths import PATH, Event, Path, member, parse_path

FILTER = rf'money:{PATH}|default:"(?:[^"\\]|\\.)*"|truncate:[1-9][0-9]{{0,3}}'
PLACEHOLDER = re.compile(rf"\{{\{{\s*({PATH})((?:\s*\|\s*(?:{FILTER}))*)\s*\}}\}}")
FILTERS = re.compile(FILTER)
# Python writes no longer integer as text; nor would anyone read it.
MOST_DIGITS = 40


class CannotFill(Exception):
    """The event lacks what the mapping asks for; says which member."""


class Placeholder(msgspec.Struct, frozen=True):
    """text: as it stands between the braces, for errors.   filters: their names, each with what comes after the colon."""

    text: str
    path: Path
    filters: Sequence[tuple[str, Any]]


Template = Sequence[str | Placeholder]


def parse(text: str) -> Template:
    """Raises ValueError, saying what cannot be read."""
    parts: list[str | Placeholder] = []
    end = 0
    while (start := text.find("{{", end)) >= 0:
        found = PLACEHOLDER.match(text, start)
        if found is None:
            raise ValueError(f"This is no placeholder: {text[start : start + 60]!r}. " + ALLOWED)
        parts += [text[end:start]] if start > end else []
        parts.append(Placeholder(found[1], parse_path(found[1]), [parse_filter(one) for one in FILTERS.findall(found[2])]))
        end = found.end()
    return [*parts, text[end:]] if end < len(text) or not parts else parts


ALLOWED = 'One is {{a.member[0]}}, with |money:path, |default:"…" or |truncate:80 after it.'


def parse_filter(text: str) -> tuple[str, Any]:
    name, _, argument = text.partition(":")
    if name == "money":
        return name, parse_path(argument)
    try:
        return name, msgspec.json.decode(argument)
    except msgspec.DecodeError:
        raise ValueError(f"{argument} is no JSON string.") from None


def fill(template: Template, event: Event) -> str:
    """Raises CannotFill."""
    return "".join(part if isinstance(part, str) else filled(part, event) for part in template)


def fill_url(template: Template, event: Event) -> str:
    """What comes after the beginning is percent-encoded, so that it stays one part of the path or query. Raises CannotFill."""
    return "".join(
        part if isinstance(part, str) else filled(part, event) if place == 0 else quote(filled(part, event), safe="")
        for place, part in enumerate(template)
    )


def fill_value(template: Template, event: Event) -> Any:
    """What is nothing but a placeholder without filters keeps its JSON type. Raises CannotFill."""
    only = template[0] if len(template) == 1 else None
    if isinstance(only, Placeholder) and not only.filters:
        return present(member(event, only.path), only)
    return fill(template, event)


def filled(placeholder: Placeholder, event: Event) -> str:
    value = member(event, placeholder.path)
    for name, argument in placeholder.filters:
        value = FILTER_BY_NAME[name](value, argument, event, placeholder)
    return text_of(present(value, placeholder), placeholder)


def present(value: Any | UnsetType, placeholder: Placeholder) -> Any:
    if value is UNSET or value is None:
        raise CannotFill(f"The event has no {placeholder.text}.")
    return value


def text_of(value: Any, placeholder: Placeholder) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        raise CannotFill(f"{placeholder.text} is {'an object' if isinstance(value, dict) else 'an array'}, and no text.")
    if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
        raise CannotFill(f"{placeholder.text} is a number of more than {MOST_DIGITS} digits.")
    return msgspec.json.encode(value).decode()


def as_money(amount: Any, path: Path, event: Event, placeholder: Placeholder) -> Any:
    """A missing amount or currency stays missing, for a `default` to come."""
    currency = member(event, path)
    if amount is UNSET or amount is None or currency is UNSET or currency is None:
        return UNSET
    if not isinstance(amount, int) or isinstance(amount, bool) or abs(amount) >= 10**MOST_DIGITS:
        raise CannotFill(f"{placeholder.text} is no amount: an integer in the currency's smallest unit.")
    if not isinstance(currency, str) or not CURRENCY.fullmatch(currency):
        raise CannotFill(f"The currency of {placeholder.text} is none of three letters.")
    return money(amount, currency)


def or_default(value: Any, default: str, *_: object) -> Any:
    return default if value is UNSET or value is None else value


def truncated(value: Any, most: int, _: Event, placeholder: Placeholder) -> Any:
    return value if value is UNSET or value is None else cut(text_of(value, placeholder), most)


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


FILTER_BY_NAME: Mapping[str, Callable[[Any, Any, Event, Placeholder], Any]] = {
    "money": as_money,
    "default": or_default,
    "truncate": truncated,
}
