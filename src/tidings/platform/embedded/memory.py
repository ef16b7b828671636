"""What the state folder remembers of the embedded servers: their ports and passwords, in servers.json (0600)."""

import os
import secrets
import socket
from pathlib import Path

import msgspec

from tidings.errors import Misconfigured

FILE = "servers.json"


class Server(msgspec.Struct):
    port: int
    password: str


def recall(state: Path) -> dict[str, Server]:
    """By name; empty when no server was started from this state yet."""
    path = state / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Server])
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as error:
        raise Misconfigured(
            f"{path} cannot be read ({error}). Without it the database beside it has no password: restore it, or remove {state}."
        ) from error


def remember(state: Path, name: str, server: Server) -> None:
    write_private(state / FILE, msgspec.json.format(msgspec.json.encode(recall(state) | {name: server})))


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read; it is never half-written, nor readable for a moment."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    half.rename(path)


def server_with_free_port(state: Path, name: str) -> Server:
    """As remembered, with another port if that one is taken now."""
    known = recall(state).get(name)
    if known is not None and is_free(known.port):
        return known
    server = Server(free_port(), known.password if known else secrets.token_hex(24))
    remember(state, name, server)
    return server


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As servers do, so that connections of an earlier one, not yet forgotten, do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
