"""What stands under a process in these tests: real servers, which some of the tests stop and start."""

from contextlib import AsyncExitStack
from typing import Any

import msgspec
from stream_house import House, open_house

from tidings.access.principals import Tenant
from tidings.access.projects import create_project
from tidings.platform.embedded.valkey import EmbeddedValkey
from tidings.platform.postgres import Database
from tidings.settings import Settings
from tidings.stream.protocol import StreamingProtocol

SHARDS = 2


class Ground(msgspec.Struct):
    """What stands under the edge. valkey: may be stopped and started again."""

    settings: Settings
    database: Database
    valkey: EmbeddedValkey
    process: Any
    sequencing: Any = None

    async def stop_valkey(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def start_valkey(self) -> None:
        self.process = await self.valkey.start()

    async def open(self, stack: AsyncExitStack, protocol: Any = StreamingProtocol, **changes: Any) -> House:
        """A process of its own kind, in a project of its own."""
        tenant, _ = await self.project()
        return await self.join(stack, tenant, protocol, **changes)

    async def project(self) -> tuple[Tenant, str]:
        return await create_project(self.database, "test", SHARDS)

    async def join(self, stack: AsyncExitStack, tenant: Tenant, protocol: Any = StreamingProtocol, **changes: Any) -> House:
        settings = msgspec.structs.replace(self.settings, **changes)
        return await stack.enter_async_context(open_house(self.database, settings, tenant, protocol))
