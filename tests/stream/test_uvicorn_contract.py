"""What the detached socket needs of uvicorn's internals. When uvicorn is raised and this fails, read stream/protocol.py again."""

import asyncio
import gc
import inspect
import socket
import sys
import weakref
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from tidings.stream.protocol import EXTENSION, StreamingProtocol
from tidings.stream.server import listening_socket


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.protocol: Any = None
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class Successor:
    paused = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def pause_writing(self) -> None:
        self.paused = True


def test_this_is_the_version_the_contract_was_written_for() -> None:
    assert uvicorn.__version__ == "0.54.0"


def test_the_parts_that_are_touched_exist() -> None:
    protocol = inspect.getsource(HttpToolsProtocol)
    cycle = inspect.getsource(RequestResponseCycle)
    for name in (
        "self.connections",
        "self.pipeline",
        "self.flow = FlowControl(transport)",
        "self.server = ",
        '"https" if is_ssl(transport) else "http"',
        "self.cycle",
        "self.parser",
        "self.scope",
        "_unset_keepalive_if_required",
    ):
        assert name in protocol
    for name in ("chunked_encoding", "response_complete", "on_response", "message_event", "disconnected"):
        assert f"self.{name}" in cycle


@pytest.mark.parametrize("paused", [False, True])
async def test_a_detached_connection_is_forgotten_and_its_parts_are_freed(paused: bool) -> None:
    wire, successor, state = Wire(), Successor(), ServerState()
    freed: list[weakref.ref[Any]] = []
    heads: list[bytes | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        detach = scope["extensions"][EXTENSION]
        freed.extend((weakref.ref(detach.protocol), weakref.ref(detach.cycle)))
        detach.prepare()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        heads.append(detach(successor))

    config = uvicorn.Config(app, access_log=False, ws="none", lifespan="off", log_config=None)
    protocol: Any = StreamingProtocol(config, state, {})
    protocol.connection_made(wire)
    if paused:
        protocol.pause_writing()
        asyncio.get_running_loop().call_soon(protocol.resume_writing)
    protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    while state.tasks:
        await asyncio.sleep(0)

    assert wire.protocol is successor
    assert successor.transport is wire
    assert not state.connections
    assert protocol not in StreamingProtocol.awaiting
    assert protocol.timeout_keep_alive_task is None
    # The head waits for the first event, to go out with it.
    assert wire.written == b""
    [head] = heads
    assert head is not None
    assert b"chunked" not in head
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert head.endswith(b"connection: close\r\n\r\n")
    assert not wire.closed
    del protocol
    gc.collect()
    assert [reference() for reference in freed] == [None, None]


@pytest.mark.parametrize("noticed", [True, False])
async def test_a_client_that_left_is_not_handed_over(noticed: bool, caplog: pytest.LogCaptureFixture) -> None:
    wire, state = Wire(), ServerState()
    handed: list[bytes | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        if noticed:
            protocol.connection_lost(None)
        wire.close()
        handed.append(scope["extensions"][EXTENSION](Successor()))

    config = uvicorn.Config(app, access_log=False, ws="none", lifespan="off", log_config=None)
    protocol: Any = StreamingProtocol(config, state, {})
    protocol.connection_made(wire)
    protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    while state.tasks:
        await asyncio.sleep(0)

    assert handed == [None]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_an_accepted_socket_gives_up_a_peer_that_vanished() -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux has TCP_USER_TIMEOUT")
    with listening_socket("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 45_000
        accepted.close()
