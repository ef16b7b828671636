"""URLs that a service hands out for its own hosts, such as those of chat services: nothing else is sent there."""

from collections.abc import Collection

from yarl import URL

from tidings.errors import Invalid
from tidings.outbound.errors import Blocked
from tidings.outbound.networks import Policy, is_in, literal
from tidings.outbound.urls import check_url, parse


def check_pinned(url: str, hosts: Collection[str], policy: Policy, field: str) -> URL:
    """Raises Invalid for another host.   hosts: a name, or `*.name` for every name below it.

    An address that TIDINGS_OUTBOUND_ALLOW names passes too: there stands what the deployment wants to reach in the service's place.
    """
    try:
        check_url(url, policy)
        parsed = parse(url)
    except Blocked as error:
        raise Invalid(error.detail, field=field) from None
    host = parsed.raw_host or ""
    address = literal(host)
    if address is not None and is_in(address, policy.allow):
        return parsed
    if parsed.scheme != "https" or parsed.port != 443 or not any(is_of(host, pattern) for pattern in hosts):
        raise Invalid(f"This URL must begin with https:// and be of {' or '.join(hosts)}.", field=field)
    return parsed


def is_of(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
