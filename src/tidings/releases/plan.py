"""What runs where: `release.toml`, written once by whoever operates the machines.

state = "/var/lib/tidings/release.json"
live = "blue"                                          # before the first release

[proxy]
kind = "nginx"
file = "/etc/nginx/tidings-servers.conf"

[colours.blue]
servers = { blue1 = "127.0.0.1:8000" }                 # API processes; HAProxy knows them by these names
workers = ["127.0.0.1:9101"]                           # where its workers show their figures
start = [["systemctl", "start", "tidings-blue.target"]]
stop = [["systemctl", "stop", "tidings-blue.target"]]  # SIGTERM, and back when they have ended

[colours.green]
…
"""

from pathlib import Path
from typing import TypeAlias

import msgspec

from tidings.errors import Misconfigured

Command: TypeAlias = list[str]


class Nginx(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind", tag="nginx"):
    """file: included in the `upstream`, and written by us alone."""

    file: Path
    check: Command = msgspec.field(default_factory=lambda: ["nginx", "-t", "-q"])
    reload: Command = msgspec.field(default_factory=lambda: ["nginx", "-s", "reload"])


class HAProxy(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind", tag="haproxy"):
    """socket: HAProxy's `stats socket`, of `level admin`."""

    socket: Path
    backend: str = "tidings"


class Colour(msgspec.Struct, forbid_unknown_fields=True):
    """servers: the addresses of API processes by their names.   start, stop: commands, one after another; each returns when it is done."""

    servers: dict[str, str]
    workers: list[str] = []
    start: list[Command] = []
    stop: list[Command] = []

    @property
    def addresses(self) -> list[str]:
        """Of everything that shows figures."""
        return [*self.servers.values(), *self.workers]


class Plan(msgspec.Struct, forbid_unknown_fields=True):
    """thresholds: those of the gate that differ, by figure (gate.py)."""

    state: Path
    live: str
    proxy: Nginx | HAProxy
    colours: dict[str, Colour]
    thresholds: dict[str, dict[str, float]] = {}

    def other(self, colour: str) -> str:
        return next(name for name in self.colours if name != colour)


def path_of(kind: type, value: str) -> Path:
    """msgspec knows no paths."""
    return Path(value)


def read_plan(path: Path) -> Plan:
    """Raises Misconfigured, which names the member."""
    try:
        plan = msgspec.toml.decode(path.read_bytes(), type=Plan, dec_hook=path_of)
    except OSError as error:
        raise Misconfigured(
            f"{path} cannot be read: {error.strerror}. docs/releases.md says what stands in it; --plan names another."
        ) from error
    except msgspec.DecodeError as error:
        raise Misconfigured(f"{path}: {error}") from error
    if len(plan.colours) != 2 or plan.live not in plan.colours:
        raise Misconfigured(f"{path}: `colours` must be two, and `live` one of them.")
    if any(not colour.servers for colour in plan.colours.values()):
        raise Misconfigured(f"{path}: each colour needs `servers`.")
    plan.state = path.parent / plan.state
    return plan
