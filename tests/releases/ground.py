"""Two versions on one machine behind a real proxy: what `docs/releases/` describes, with processes of the tests instead of systemd's."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from proxies.proxy import OF_NGINX, binary
from releases import unit
from running import Running, listens, until

from tidings.platform.embedded.memory import free_port

HERE = Path(__file__).parent
CONFIGURATIONS = HERE.parents[1] / "docs" / "releases"
SERVERS = ("blue1", "blue2", "green1", "green2")
# Those of the files in docs/releases/.
PORTS = dict(zip(SERVERS, (8000, 8001, 8010, 8011), strict=True))
# At the end of a test everything is killed; until then each colour may end and come back as often as it is told to.
SWITCHES_WITHIN_S = 1800


class Ground:
    """each: API processes of a colour."""

    def __init__(self, tidings: Running, http: aiohttp.ClientSession, folder: Path, proxy: str, each: int, drain_s: float) -> None:
        self.tidings = tidings
        self.http = http
        self.drain_s = drain_s
        self.folder = folder
        self.proxy = proxy
        self.servers = [name for name in SERVERS if int(name[-1]) <= each]
        self.ports = {name: free_port() for name in SERVERS}
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.fault = folder / "fault"
        self.state = folder / "release.json"
        self.nginx_file = folder / "tidings-servers.conf"
        self.process: Process | None = None

    def version(self, colour: str, version: str) -> None:
        """What that colour runs when it is started the next time."""
        for name in self.of(colour):
            told = {
                "command": [sys.executable, str(HERE / "versioned.py"), "api", "--port", str(self.ports[name])],
                "environment": self.tidings.environment
                | {"TIDINGS_DRAIN_S": str(self.drain_s)}
                | {"RELEASE_VERSION": version, "RELEASE_FAULT": str(self.fault) if "bad" in version else "/nowhere"},
                "log": str(self.folder / f"{name}.log"),
            }
            (self.folder / f"{name}.json").write_text(json.dumps(told))

    def of(self, colour: str) -> list[str]:
        return [name for name in self.servers if name.startswith(colour)]

    def write_plan(self) -> None:
        """By hand, because what is in docs/releases/release.toml is systemd's; a test reads that file too."""
        kind = (
            f'kind = "nginx"\nfile = "{self.nginx_file}"\ncheck = {json.dumps([*self.nginx(), "-t", "-q"])}\n'
            f"reload = {json.dumps([*self.nginx(), '-s', 'reload'])}"
            if self.proxy == "nginx.conf"
            else f'kind = "haproxy"\nsocket = "{self.folder}/admin.sock"'
        )
        lines = [f'state = "{self.state}"', 'live = "blue"', "[proxy]", kind]
        for colour in ("blue", "green"):
            servers = ", ".join(f'{name} = "127.0.0.1:{self.ports[name]}"' for name in self.of(colour))
            lines += [f"[colours.{colour}]", f"servers = {{ {servers} }}"]
            for verb in ("start", "stop"):
                commands = [[sys.executable, str(HERE / "unit.py"), verb, str(self.folder / f"{name}.json")] for name in self.of(colour)]
                lines.append(f"{verb} = {json.dumps(commands)}")
        (self.folder / "release.toml").write_text("\n".join(lines))

    def nginx(self) -> list[str]:
        # Root's workers would be somebody else, who may not enter the folder.
        user = "user root; " if os.geteuid() == 0 else ""
        settings = f"{user}pid {self.folder}/nginx.pid;"
        return [binary("nginx"), "-p", str(self.folder), "-e", "stderr", "-c", str(self.folder / self.proxy), "-g", settings]

    async def begin(self, version: str) -> None:
        """The blue colour behind the proxy."""
        self.version("blue", version)
        self.write_plan()
        self.nginx_file.write_text("".join(f"server 127.0.0.1:{self.ports[name]};\n" for name in self.of("blue")))
        (self.folder / self.proxy).write_text(self.configuration())
        for name in self.of("blue"):
            await asyncio.to_thread(unit.start, self.folder / f"{name}.json")
        command = [*self.nginx()[:-1], self.nginx()[-1] + " daemon off;"] if self.proxy == "nginx.conf" else self.haproxy()
        with (self.folder / "proxy.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=log)
        await until(lambda: listens(self.port), 10, f"the proxy: {(self.folder / 'proxy.log').read_text()}")
        await until(self.is_ready, 30, "a ready process behind the proxy")

    def haproxy(self) -> list[str]:
        return [binary("haproxy"), "-db", "-f", str(self.folder / self.proxy)]

    async def is_ready(self) -> bool:
        async with self.http.get(f"{self.base}/health/ready") as answer:
            return answer.status == 200

    def configuration(self) -> str:
        """The file of docs/releases/, on our ports and without TLS, which the listeners of the tests do not speak."""
        lines = []
        for line in (CONFIGURATIONS / self.proxy).read_text().splitlines():
            words = line.split()
            if "ssl_certificate" in line or (words[:1] == ["server"] and len(words) > 3 and words[1] not in self.servers):
                continue
            lines.append(line)
        text = "\n".join(lines) + "\n"
        for old, new in {
            "listen 443 ssl http2": f"listen 127.0.0.1:{self.port}",
            "bind :443 ssl crt /etc/tidings/both.pem alpn h2,http/1.1": f"bind 127.0.0.1:{self.port}",
            "/etc/nginx/tidings-servers.conf": str(self.nginx_file),
            "/run/haproxy/admin.sock": f"{self.folder}/admin.sock",
            "worker_processes auto;": "worker_processes 1;",
            "http {\n": OF_NGINX.replace("FOLDER", str(self.folder)),
            **{f"127.0.0.1:{PORTS[name]} ": f"127.0.0.1:{port} " for name, port in self.ports.items()},
        }.items():
            text = text.replace(old, new)
        return text

    async def release(self, *arguments: str) -> "Command":
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tidings.cli", "release", *arguments, "--plan", str(self.folder / "release.toml")),
            stdout=PIPE,
            stderr=PIPE,
        )
        return Command(process)

    async def said(self, *arguments: str) -> tuple[int, str]:
        """Exit code and all that it printed."""
        process = (await self.release(*arguments)).process
        out, err = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode is not None
        return process.returncode, (out + err).decode()

    def told(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self.state.read_text())
        except FileNotFoundError:
            return {}
        return state

    async def has(self, share: int) -> bool:
        """Whether a release is under way, and its candidate has that much."""
        return self.told().get("share") == share

    async def is_in(self, phase: str) -> bool:
        return self.told().get("phase") == phase

    async def end(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await asyncio.wait_for(self.process.wait(), 30)
        for name in self.servers:
            await asyncio.to_thread(unit.kill, self.folder / f"{name}.json")


class Command:
    """`tidings release`, at work."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def ended(self) -> tuple[int, Any, str]:
        """Its exit code, what it printed as JSON, and what it said meanwhile."""
        out, err = await asyncio.wait_for(self.process.communicate(), SWITCHES_WITHIN_S)
        assert self.process.returncode is not None
        assert out.startswith(b"{"), (out, err)
        return self.process.returncode, json.loads(out), err.decode()


@asynccontextmanager
async def ground(tidings: Running, folder: Path, proxy: str, each: int, drain_s: float) -> AsyncIterator[Ground]:
    """Blue in version 0.1.0 behind a proxy."""
    async with aiohttp.ClientSession() as http:
        here = Ground(tidings, http, folder, proxy, each, drain_s)
        try:
            await here.begin("0.1.0")
            yield here
        finally:
            await here.end()
