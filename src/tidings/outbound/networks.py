"""Which addresses may be connected to.

The table is ours rather than `ipaddress.is_global`, whose answer depends on the version of Python. That of 3.11.7 calls global: NAT64 of
both kinds (64:ff9b::/96, 64:ff9b:1::/48), 6to4 (2002::/16), IPv4-compatible and -translated addresses (::/96, ::ffff:0:0:0/96), mapped ones
of public addresses (::ffff:0:0/96), site-local (fec0::/10), multicast of both families, most of 192.0.0.0/24, 192.88.99.0/24, 3fff::/20,
5f00::/16 and all that was never handed out (4000::/3 and on). What carries an IPv4 address inside leads to 127.0.0.1 or 169.254.169.254
wherever a gateway or a kernel unwraps it.

Of IPv6 only 2000::/3 is handed out as global unicast (RFC 4291 §2.4, IANA), so all else is refused without being listed.
Sources: the IANA special-purpose registries (RFC 6890, RFC 8190), as of October 2025.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from tidings.outbound.errors import Blocked
from tidings.outbound.ports import NOT_HTTP
from tidings.settings import Settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The first that holds the address gives the reason, so what is narrow stands first.
SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), reason)
    for network, reason in (
        # Metadata services hand out the machine's credentials. That of Azure stands at a public address; those of AWS (169.254.169.254,
        # fd00:ec2::254), Alibaba (100.100.100.200) and Oracle (192.0.0.192) lie within what is refused anyway.
        ("169.254.169.254/32", "a cloud's metadata service"),
        ("168.63.129.16/32", "a cloud's metadata service"),
        ("100.100.100.200/32", "a cloud's metadata service"),
        ("192.0.0.192/32", "a cloud's metadata service"),
        ("fd00:ec2::/32", "a cloud's metadata service"),
        ("0.0.0.0/8", "an address of this machine (RFC 791)"),
        ("10.0.0.0/8", "a private address (RFC 1918)"),
        ("100.64.0.0/10", "an address behind a carrier's NAT (RFC 6598)"),
        ("127.0.0.0/8", "a loopback address"),
        ("169.254.0.0/16", "a link-local address (RFC 3927)"),
        ("172.16.0.0/12", "a private address (RFC 1918)"),
        ("192.0.0.0/24", "an address kept for protocols (RFC 6890)"),
        ("192.0.2.0/24", "an address for documentation (RFC 5737)"),
        ("192.88.99.0/24", "a 6to4 relay (RFC 7526)"),
        ("192.168.0.0/16", "a private address (RFC 1918)"),
        ("198.18.0.0/15", "an address for benchmarks (RFC 2544)"),
        ("198.51.100.0/24", "an address for documentation (RFC 5737)"),
        ("203.0.113.0/24", "an address for documentation (RFC 5737)"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address (RFC 1112)"),
        ("::/128", "an address of this machine"),
        ("::1/128", "a loopback address"),
        ("::ffff:0:0/96", "an IPv4 address written as IPv6 (RFC 4291)"),
        ("::ffff:0:0:0/96", "an IPv4 address written as IPv6 (RFC 2765)"),
        ("::/96", "an IPv4 address written as IPv6 (RFC 4291)"),
        ("64:ff9b::/96", "an IPv4 address behind NAT64 (RFC 6052)"),
        ("64:ff9b:1::/48", "an IPv4 address behind NAT64 (RFC 8215)"),
        # Teredo (2001::/32), benchmarks (2001:2::/48) and both ORCHIDs (2001:10::/28, 2001:20::/28) lie in here. What else does, and is
        # reachable (anycast of PCP, TURN and DNS-SD, AMT, AS112), serves no HTTP.
        ("2001::/23", "an address kept for protocols (RFC 2928)"),
        ("2001:db8::/32", "an address for documentation (RFC 3849)"),
        ("2002::/16", "an IPv4 address behind 6to4 (RFC 3056)"),
        ("3fff::/20", "an address for documentation (RFC 9637)"),
        ("fc00::/7", "a private address (RFC 4193)"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address (RFC 3879)"),
        ("ff00::/8", "a multicast address"),
    )
)
GLOBAL_IPV6 = IPv6Network("2000::/3")


class Policy(NamedTuple):
    """What this deployment allows and denies beyond the table; deny wins."""

    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()


def policy_of(settings: Settings) -> Policy:
    return Policy(settings.outbound_allow, settings.outbound_deny)


def check_address(policy: Policy, scheme: str, host: str, address: Address, port: int) -> None:
    """Raises Blocked. host: as in the URL, for the sentence."""
    if reason := refusal(policy, scheme, address, port):
        raise Blocked(f"{host} leads to {reason}.", reason, str(address))


def literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def refusal(policy: Policy, scheme: str, address: Address, port: int) -> str | None:
    """What speaks against this connection, as the end of "HOST leads to …"; None when nothing does.

    A tunnel that is allowed (NAT64, say) opens no way to what is refused or denied: the IPv4 address inside must pass as well.
    """
    if is_in(address, policy.deny):
        return "an address that TIDINGS_OUTBOUND_DENY names"
    if is_in(address, policy.allow):
        return next(filter(None, (refusal(policy, scheme, inside, port) for inside in carried(address))), None)
    if special := special_use(address):
        return f"{special}, which TIDINGS_OUTBOUND_ALLOW does not name"
    if scheme != "https":
        return "a public address, where only https is spoken"
    if port in NOT_HTTP:
        return f"port {port} of a public address, which is not for HTTP"
    return None


def is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def special_use(address: Address) -> str | None:
    for network, reason in SPECIAL:
        if address in network:
            return reason
    if address.version == 6 and address not in GLOBAL_IPV6:
        return "an address outside of the public internet"
    return None


def carried(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses inside an IPv6 address: where a packet for it may come out."""
    if isinstance(address, IPv4Address):
        return
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    # Everything else that is known ends with it. RFC 6052 §2.2 would allow 64:ff9b:1::/48 other places too: nobody does that there.
    if any(address in network for network in ENDS_WITH_IPV4) and int(address) > 1:
        yield IPv4Address(int(address) & 0xFFFF_FFFF)


ENDS_WITH_IPV4 = tuple(map(IPv6Network, ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")))
