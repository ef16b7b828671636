"""A real nginx or HAProxy with a configuration of docs/proxies/, as any user may run it."""

import asyncio
import os
import shutil
from asyncio.subprocess import Process
from collections.abc import Sequence
from pathlib import Path

from certificate import Certificate
from running import Api, listens, until

from tidings.platform.embedded.memory import free_port

CONFIGURATIONS = Path(__file__).parents[2] / "docs" / "proxies"
# What the package would give it, in a folder of one's own.
OF_NGINX = "http {\n    access_log off;\n" + "".join(
    f"    {kind}_temp_path FOLDER/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)


class Proxy:
    def __init__(self, name: str, folder: Path, certificate: Certificate) -> None:
        """name: of the file with its configuration."""
        self.name = name
        self.folder = folder
        self.certificate = certificate
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.process: Process | None = None

    async def start(self, apis: Sequence[Api], **replaced: str) -> None:
        """replaced: texts of the configuration, further ones, by what they are."""
        path = self.folder / self.name
        path.write_text(self.configuration(apis, replaced))
        self.process = await asyncio.create_subprocess_exec(
            *self.command(path), stdout=asyncio.subprocess.DEVNULL, stderr=(self.folder / f"{self.name}.log").open("ab")
        )
        await until(self.answers, 10, f"{self.name} answers: {(self.folder / f'{self.name}.log').read_text()[-2000:]}")

    async def answers(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, (self.folder / f"{self.name}.log").read_text()[-2000:]
        return await listens(self.port)

    async def end(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await asyncio.wait_for(self.process.wait(), 10)

    def configuration(self, apis: Sequence[Api], replaced: dict[str, str]) -> str:
        text = (CONFIGURATIONS / self.name).read_text()
        both = self.folder / "both.pem"
        both.write_bytes(self.certificate.certificate.read_bytes() + self.certificate.key.read_bytes())
        for old, new in {
            "listen 443": f"listen 127.0.0.1:{self.port}",
            "bind :443": f"bind 127.0.0.1:{self.port}",
            "127.0.0.1:8000": f"127.0.0.1:{apis[0].port}",
            "127.0.0.1:8001": f"127.0.0.1:{apis[1].port}",
            "/etc/tidings/fullchain.pem": str(self.certificate.certificate),
            "/etc/tidings/privkey.pem": str(self.certificate.key),
            "/etc/tidings/both.pem": str(both),
            "worker_processes auto;": "worker_processes 1;",
            "http {\n": OF_NGINX.replace("FOLDER", str(self.folder)),
        }.items() | replaced.items():
            text = text.replace(old, new)
        return text

    def command(self, path: Path) -> Sequence[str]:
        if path.suffix == ".cfg":
            return (binary("haproxy"), "-db", "-f", str(path))
        # Root's workers would be somebody else, who may not enter the folder.
        user = "user root; " if os.geteuid() == 0 else ""
        settings = f"{user}daemon off; pid {self.folder}/nginx.pid;"
        return (binary("nginx"), "-p", str(self.folder), "-e", "stderr", "-c", str(path), "-g", settings)


def binary(name: str) -> str:
    """Debian keeps them where only root looks."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin") or ""
