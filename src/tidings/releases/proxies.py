"""How much of the traffic each colour gets: written to a file that nginx includes, or told to a running HAProxy.

Shares are by requests, and a stream is one: by connections, as `leastconn` does it, a colour without streams would get every request.
Connections that are open stay where they are, until the process behind them ends them.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from tidings.errors import Misconfigured, TidingsError
from tidings.releases.commands import run
from tidings.releases.plan import Colour, HAProxy, Nginx, Plan

WAITS_S = 10.0
# HAProxy's largest.
WHOLE = 256


def route(plan: Plan, shares: Mapping[str, int]) -> None:
    """shares: in percent, by colour. Raises Misconfigured when the proxy refuses."""
    weights = dict(weights_of(plan.colours, shares))
    if isinstance(plan.proxy, Nginx):
        tell_nginx(plan.proxy, plan, weights)
    else:
        tell_haproxy(plan.proxy, weights)


def weights_of(colours: Mapping[str, Colour], shares: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Of each server, so that the colours have their shares whatever their numbers of servers."""
    for name, colour in colours.items():
        for server in colour.servers:
            share = shares.get(name, 0)
            yield server, max(1, round(WHOLE * share / 100 / len(colour.servers))) if share else 0


def tell_nginx(nginx: Nginx, plan: Plan, weights: Mapping[str, int]) -> None:
    """The file is as it was when nginx does not accept it."""
    addresses = {name: address for colour in plan.colours.values() for name, address in colour.servers.items()}
    before = nginx.file.read_text() if nginx.file.exists() else None
    replace(nginx.file, "# Written by `tidings release`.\n" + "".join(line_of(addresses[name], weights[name]) for name in addresses))
    try:
        run(nginx.check)
        run(nginx.reload)
    except TidingsError:
        if before is not None:
            replace(nginx.file, before)
        raise


def line_of(address: str, weight: int) -> str:
    return f"server {address} weight={weight} fail_timeout=1s;\n" if weight else f"server {address} down;\n"


def replace(path: Path, text: str) -> None:
    """Whole or not at all, whenever we are killed."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text)
    os.replace(draft, path)


def tell_haproxy(haproxy: HAProxy, weights: Mapping[str, int]) -> None:
    """A weight of 0 keeps what is open, and brings nothing new."""
    # First who gets more: a kill in between leaves nobody without a server.
    for server, weight in sorted(weights.items(), key=lambda one: -one[1]):
        said = asked(haproxy.socket, f"set server {haproxy.backend}/{server} weight {weight}")
        if said:
            raise Misconfigured(f"HAProxy at {haproxy.socket}: {said}")


def asked(path: Path, command: str) -> str:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(WAITS_S)
            connection.connect(str(path))
            connection.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode().strip()
    except OSError as error:
        raise Misconfigured(f"HAProxy's socket {path} does not answer: {error.strerror or error}.") from error
