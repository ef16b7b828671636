"""The way out: whether the names of receivers can be looked up from here."""

import asyncio
from urllib.parse import urlsplit

from tidings.cli.doctor.deployment.finding import Finding, well
from tidings.outbound.lookup import Ask, ask_the_system
from tidings.outbound.names import Names
from tidings.platform.postgres import Connection

# Those used lately say more than those nobody uses; more of them say no more.
MOST = 20
LOOKED_UP_WITHIN_S = 5.0
URLS = """
SELECT DISTINCT d.config->>'url' FROM destinations d WHERE d.connector = 'webhook' AND d.disabled_at IS NULL AND d.deleted_at IS NULL
    AND d.config->>'url' IS NOT NULL LIMIT 200
"""


async def check_names(connection: Connection, ask: Ask = ask_the_system, within_s: float = LOOKED_UP_WITHIN_S) -> list[Finding]:
    """Not in the loop's own threads: of those there are six on two cores, and as many names that hang would make all others unknown."""
    hosts = sorted({host for (url,) in await connection.fetch(URLS) if (host := urlsplit(url).hostname)})[:MOST]
    if not hosts:
        return [well("names", "No webhooks, so no names to look up")]
    names = Names(ask)
    are_known = await asyncio.gather(*(is_known(names, host, within_s) for host in hosts))
    names.close()
    unknown = [host for host, known in zip(hosts, are_known, strict=True) if not known]
    if not unknown:
        return [well("names", f"The names of {len(hosts)} receivers are found")]
    if len(unknown) == len(hosts):
        return [
            Finding(
                "names",
                "error",
                "No receiver's name can be looked up",
                "Name service does not work here, so no webhook leaves. Deliveries are tried again for days.",
                (f"getent hosts {hosts[0]}", "cat /etc/resolv.conf", "tidings deliveries list --state pending"),
                "docs/runbooks/breaker-open.md",
            )
        ]
    return [
        Finding(
            "names",
            "warning",
            f"{len(unknown)} of {len(hosts)} receivers have names that nobody knows",
            f"{', '.join(unknown[:3])}: their owners moved or gave them up. The others are not concerned.",
            (f"getent hosts {unknown[0]}", "tidings endpoints list", "tidings endpoints disable EP"),
            "docs/runbooks/breaker-open.md",
        )
    ]


async def is_known(names: Names, host: str, within_s: float) -> bool:
    try:
        await asyncio.wait_for(names.addresses(host), within_s)
    except (OSError, UnicodeError, TimeoutError):
        return False
    return True
