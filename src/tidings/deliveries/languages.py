"""Languages and directions, for the few words that Tidings itself says to people: in letters, and on the page to unsubscribe."""

from collections.abc import Collection
from typing import Literal

Direction = Literal["ltr", "rtl"]

DEFAULT = "en"
FROM_RIGHT = frozenset({"ar", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "syr", "ug", "ur", "yi"})
SCRIPTS_FROM_RIGHT = frozenset({"adlm", "arab", "hebr", "nkoo", "rohg", "syrc", "thaa"})


def tag_of(locale: str | None) -> str:
    """As BCP 47 writes it."""
    return locale.replace("_", "-") if locale else DEFAULT


def direction_of(tag: str) -> Direction:
    """By the script, where the tag names one (BCP 47: four letters), else by the language."""
    first, *others = tag.lower().split("-")
    script = next((part for part in others if len(part) == 4 and part.isalpha()), None)
    is_from_right = script in SCRIPTS_FROM_RIGHT if script else first in FROM_RIGHT
    return "rtl" if is_from_right else "ltr"


def spoken(tag: str, known: Collection[str]) -> str:
    """The language among the known ones to speak to a reader of this."""
    language = tag.lower().split("-")[0]
    return language if language in known else DEFAULT


def preferred(accept_language: str, known: Collection[str]) -> str:
    """The first that is known, in the order in which browsers list them (Accept-Language, RFC 9110 §12.5.4)."""
    asked = (part.partition(";")[0].strip().lower().split("-")[0] for part in accept_language.split(","))
    return next((language for language in asked if language in known), DEFAULT)
