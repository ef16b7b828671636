"""Which headers a caller may add to a request."""

import re
from collections.abc import Mapping
from functools import lru_cache

from tidings.outbound.errors import Blocked

# Said by us alone: another Host would reach another site of the same server, a second length another request on the same connection.
OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "expect", "te", "trailer"})
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Half of a surrogate pair is no character, and UTF-8 has no bytes for it.
VALUE = re.compile(r"[\t\x20-\x7e\x80-\ud7ff\ue000-\U0010ffff]*")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises Blocked. Its sentence shows no value: most are credentials."""
    for name, value in headers.items():
        check_name(name)
        if not VALUE.fullmatch(value):
            raise unfit(f"The header {name} holds a control character, or half of a surrogate pair")


@lru_cache(maxsize=1024)
def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise unfit("The name of a header holds what RFC 9110 §5.1 does not allow")
    if name.lower() in OURS or name[:6].lower() == "proxy-":
        raise unfit(f"The header {name} is set by Tidings itself")


def unfit(reason: str) -> Blocked:
    return Blocked(f"{reason}.", reason)
