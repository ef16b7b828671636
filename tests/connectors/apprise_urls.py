"""URLs of nearly all services of Apprise, put together from its own descriptions of them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from apprise import Apprise

# What tokens, accounts and rooms look like; the first that a service's pattern takes is used.
CANDIDATES = (
    "AbCdEfGh1234567", *("a" * length for length in (8, 16, 20, 24, 30, 32, 36, 40, 48, 64)), "A" * 8, "A" * 20, "A1B2C3D4E", "1" * 5,
    "1" * 10, "15551234567", "+15551234567", "12345678901234567890", "8b799edf-6f98-4d3a-9be7-2862fb4e5752", "a@example.com", "@general",
    "#general", "us-east-1", "T1JJ3T3L2", "123456789:abcdefg_hijklmnop", "AC" + "a" * 32, "general",
    "a.example.com", "en", "1", "k-" + "a" * 32,
)  # fmt: skip


def urls_of_services(host: str, port: int) -> Iterator[tuple[str, str]]:
    """A name for each service, and a URL for each way of writing one. host, port: wherever a URL names them."""
    for service in Apprise().details()["schemas"]:
        schemes = [*(service["secure_protocols"] or ()), *(service["protocols"] or ())]
        details = service["details"]
        for scheme in schemes:
            fixed = {"schema": scheme, "host": host, "hostname": host, "port": str(port)}
            for template in details["templates"]:
                yield schemes[0], filled(template, details["tokens"], fixed)


def filled(template: str, tokens: Mapping[str, Any], fixed: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name, token = found[1], tokens.get(found[1], {})
        if name in fixed:
            return fixed[name]
        group = sorted(token.get("group", ()))
        return quote(fitting(tokens[group[0]] if group else token), safe="")

    return re.sub(r"{(\w+)}", value, template)


def fitting(token: Mapping[str, Any]) -> str:
    if values := list(token.get("values", ())):
        return str(getattr(values[0], "value", values[0]))
    pattern, flags = token.get("regex") or (".*", "")
    prefix = token.get("prefix", "")
    forms = (before + candidate for candidate in CANDIDATES for before in ("", prefix))
    return next((form for form in forms if re.fullmatch(pattern, form, re.IGNORECASE if flags == "i" else 0)), CANDIDATES[0])
