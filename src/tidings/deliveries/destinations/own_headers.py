"""Headers of a project's own, sent with every delivery of an endpoint: which names they may have.

What belongs to the connection, to the body or to the signature is not for them: it would break the request, or pretend to be ours.
"""

from collections.abc import Iterable, Mapping

from tidings.errors import Invalid

MOST = 20
# Of the connection (RFC 9110 §7.6.1), of the host, and what says how the answer may come.
REFUSED = frozenset(
    {
        "host",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
        "user-agent",
        "accept-encoding",
        "via",
        "forwarded",
    }
)
REFUSED_FAMILIES = ("content-", "webhook-", "proxy-", "x-forwarded-", "sec-")


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The same. Raises Invalid, which never tells a value."""
    if len(headers) > MOST:
        raise Invalid(f"An endpoint has at most {MOST} headers of its own; these are {len(headers)}.", field="headers")
    check_names(headers)
    return dict(headers)


def check_names(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        lower = name.lower()
        if lower in REFUSED or lower.startswith(REFUSED_FAMILIES):
            raise Invalid(f"{name} is set by Tidings, or belongs to the connection; use a name of your own.", field="headers")
        if lower in seen:
            raise Invalid(f"{name} is named twice; upper and lower case make no difference.", field="headers")
        seen.add(lower)


def merged(now: Mapping[str, str], patch: Mapping[str, str | None]) -> dict[str, str]:
    """RFC 7396, with names compared as HTTP compares them: in upper or lower case."""
    check_names(patch)
    touched = {name.lower() for name in patch}
    kept = {name: value for name, value in now.items() if name.lower() not in touched}
    return checked_headers(kept | {name: value for name, value in patch.items() if value is not None})
