"""The way out: whether the names of receivers can be looked up from here."""

import asyncio
import socket
from urllib.parse import urlsplit

from tidings.cli.doctor.deployment.finding import Finding, well
from tidings.platform.postgres import Connection

# Those used lately say more than those nobody uses; more of them say no more.
MOST = 20
LOOKED_UP_WITHIN_S = 5.0
URLS = """
SELECT DISTINCT d.config->>'url' FROM destinations d WHERE d.connector = 'webhook' AND d.disabled_at IS NULL AND d.deleted_at IS NULL
    AND d.config->>'url' IS NOT NULL LIMIT 200
"""


async def check_names(connection: Connection) -> list[Finding]:
    hosts = sorted({host for (url,) in await connection.fetch(URLS) if (host := urlsplit(url).hostname)})[:MOST]
    if not hosts:
        return [well("names", "No webhooks, so no names to look up")]
    unknown = [host for host, is_known in zip(hosts, await asyncio.gather(*map(is_known_name, hosts)), strict=True) if not is_known]
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


async def is_known_name(host: str) -> bool:
    try:
        await asyncio.wait_for(asyncio.get_running_loop().getaddrinfo(host, 443, type=socket.SOCK_STREAM), LOOKED_UP_WITHIN_S)
    except (OSError, UnicodeError, TimeoutError):
        return False
    return True
