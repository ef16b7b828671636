"""Nchan, a publish-subscribe module of nginx written in C: the peer that fan-out is held against. One worker, as one process of ours."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from loadtests.accounting import family_of
from loadtests.figures import Skipped
from loadtests.peers import Peer
from loadtests.peers.debian import need, version_of
from loadtests.peers.process import scratch, started
from tidings.platform.embedded.memory import free_port

PACKAGES = ("nginx-light", "libnginx-mod-nchan")
NGINX = Path("/usr/sbin/nginx")
MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")

# Every message is kept for a while, as Tidings' hot window does; a subscriber gets what comes after it came. Nothing is logged per request.
CONFIGURATION = """
load_module {module};
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile 65536;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 60000; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_timeout 10m;
    keepalive_requests 1000000000;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    nchan_shared_memory_size 512M;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location ~ ^/sub/([\\w-]+)$ {{
            nchan_subscriber eventsource;
            nchan_channel_id $1;
            nchan_subscriber_first_message newest;
            nchan_eventsource_event notification;
        }}
        location ~ ^/pub/([\\w-]+)$ {{
            nchan_publisher;
            nchan_channel_id $1;
            nchan_message_buffer_length 200;
            nchan_message_timeout 5m;
        }}
    }}
}}
"""


@asynccontextmanager
async def nchan() -> AsyncIterator[Peer]:
    """Raises Skipped where it cannot be had."""
    await need(PACKAGES, lambda: NGINX.exists() and MODULE.exists())
    port = free_port()
    async with scratch() as folder:
        # As root, nginx would make its worker another user, who may not write here.
        user = "user root;" if os.geteuid() == 0 else ""
        configuration = folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(module=MODULE, user=user, port=port))
        async with started([str(NGINX), "-c", str(configuration), "-p", str(folder), "-e", "error.log"], folder, port) as master:
            yield Peer(
                "Nchan", await version(), port, await workers_of(master.pid), "/sub/%%", "/pub/%%", port, {"Content-Type": "text/plain"}
            )


async def workers_of(master: int) -> list[int]:
    """nginx listens before it has a worker."""
    for _ in range(100):
        if workers := [pid for pid in family_of(master) if pid != master]:
            return workers
        await asyncio.sleep(0.1)
    raise Skipped("nginx started no worker")


async def version() -> str:
    process = await asyncio.create_subprocess_exec(NGINX, "-v", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    said, _ = await process.communicate()
    found = re.search(r"nginx/(\S+)", said.decode(errors="replace"))
    return f"{await version_of('libnginx-mod-nchan')} (nginx {found.group(1) if found else 'unknown'})"
