"""Which URLs are sent to at all: the part of the check that needs no network. The addresses behind the host are checked when connecting."""

import re
from functools import lru_cache

from yarl import URL

from tidings.outbound.errors import Blocked
from tidings.outbound.networks import Policy, check_address, literal

LONGEST = 2048
# Parsers drop or turn some of these silently, each in its own way: "https://a\\@b" is a for one and b for another.
UNPRINTABLE = re.compile(r"[\x00-\x20\x7f\\\s]")
# Only to refuse: the host that is connected to is the one that yarl finds, which is what aiohttp uses.
AUTHORITY = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)
PORT = re.compile(r"(?::[0-9]{1,5})?")
LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# A name whose last part is a number is an IPv4 address to inet_aton and to browsers: 127.1, 2130706433, 0x7f.1, 0177.0.0.1.
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def check_url(url: str, policy: Policy) -> None:
    """For whoever takes a URL to send to later. Raises Blocked with a sentence for whoever chose it.

    An address in place of a name is held against the policy; a name is not resolved, since it may lead elsewhere when it is sent to.
    """
    parsed = parse(url)
    host, port = parsed.raw_host, parsed.port
    assert host is not None
    assert port is not None
    if parsed.scheme != "https" and not policy.allow:
        raise unfit("it must begin with https://.")
    if address := literal(host):
        check_address(policy, parsed.scheme, host, address, port)


# A destination is sent to again and again.
@lru_cache(maxsize=4096)
def parse(url: str) -> URL:
    """As it is requested. Raises Blocked for what is never sent to, wherever it leads."""
    if len(url) > LONGEST:
        raise unfit(f"it has more than {LONGEST} characters.")
    if UNPRINTABLE.search(url):
        raise unfit("it holds a space, a control character or a backslash.")
    if "#" in url:
        raise unfit("it has a fragment (#…), which is never sent.")
    check_authority(url)
    try:
        parsed = URL(url)
    except ValueError:
        raise unfit("it is not well formed.") from None
    check_host(parsed.raw_host or "")
    return parsed


def check_authority(url: str) -> None:
    found = AUTHORITY.match(url)
    if found is None:
        raise unfit("it must begin with https://.")
    authority = found[1]
    if "@" in authority:
        raise unfit("it names a user before the host; send credentials in a header.")
    if "%" in authority:
        raise unfit("its host holds a percent sign.")
    inner, bracket, rest = authority.rpartition("]")
    # "[v7.x]" would be a form to come (RFC 3986 §3.2.2); yarl takes what is in it for a name.
    if bracket and not literal(inner[1:]):
        raise unfit("its host is no IPv6 address.")
    port = rest if bracket else authority[len(authority.partition(":")[0]) :]
    if not PORT.fullmatch(port) or (port and int(port[1:]) == 0):
        raise unfit("its port is not a number between 1 and 65535.")


def check_host(host: str) -> None:
    """Raises Blocked unless it is a whole IPv4 or IPv6 address, or a name of DNS (underscores allowed, as resolvers do)."""
    if literal(host):
        return
    labels = host.split(".")
    if NUMBER.fullmatch(labels[-1]):
        raise unfit("its host is a number; write an IPv4 address as four decimal numbers.")
    if len(host) > 253 or not all(map(LABEL.fullmatch, labels)):
        raise unfit("its host is not a name of DNS.")


def unfit(reason: str) -> Blocked:
    return Blocked(f"The URL is not one that is sent to: {reason}", reason)
