"""Writing to many connections past their transports, with one system call for all of them (ring.py).

A descriptor that is used after its socket was closed may be another client's by then. So whether a socket is open is asked here, and the
kernel has sent everything before anything else of this process runs: only the loop closes sockets, and this does not give way to it. What
a transport still holds must come first, so one that holds something is written to the usual way, and so is whatever speaks TLS.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from uvloop.loop import TCPTransport, UnixTransport  # type: ignore[attr-defined]

from tidings.stream.ring import MOST_BYTES, Ring

if TYPE_CHECKING:
    from tidings.stream.connection import Connection

BARE = (TCPTransport, UnixTransport)
# Below, filling the ring costs what it saves.
FEWEST = 8


def descriptor_of(transport: Any) -> int:
    """-1 unless the transport hands bytes to a socket as they are."""
    if type(transport) not in BARE:
        return -1
    descriptor: int = transport.get_extra_info("socket").fileno()
    return descriptor


def write_to_all(ring: Ring | None, connections: "Collection[Connection]", data: bytes) -> None:
    """More than the ring's room goes the usual way: that much is copying above all, and gains nothing."""
    if ring is None or len(connections) < FEWEST or len(data) > MOST_BYTES:
        write_one_by_one(connections, data)
        return
    bare = [connection for connection in connections if is_bare(connection)]
    for which, taken in ring.send_to_all([connection.descriptor for connection in bare], data):
        bare[which].write(data[taken:])
    if len(bare) < len(connections):
        write_one_by_one(set(connections).difference(bare), data)


def write_one_by_one(connections: "Collection[Connection]", data: bytes) -> None:
    for connection in connections:
        connection.write(data)


def write_each(ring: Ring | None, pieces: "Mapping[Connection, bytes]") -> None:
    """To each connection its own."""
    if ring is None or len(pieces) < FEWEST:
        for connection, data in pieces.items():
            connection.write(data)
        return
    bare: list[Connection] = []
    room = MOST_BYTES
    for connection, data in pieces.items():
        if len(data) <= room and is_bare(connection):
            bare.append(connection)
            room -= len(data)
        else:
            connection.write(data)
    for which, taken in ring.send_each([connection.descriptor for connection in bare], [pieces[connection] for connection in bare]):
        bare[which].write(pieces[bare[which]][taken:])


def is_bare(connection: "Connection") -> bool:
    transport = connection.transport
    return connection.descriptor >= 0 and not transport.is_closing() and not transport.get_write_buffer_size()
