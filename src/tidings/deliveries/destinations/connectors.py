"""The connectors there are, as whoever makes an integration needs to know them."""

import msgspec

from tidings.deliveries.connectors.connector import Connector
from tidings.deliveries.connectors.halts import Halted, halts
from tidings.deliveries.connectors.registry import CONNECTORS
from tidings.deliveries.destinations.integration_structs import ConnectorInfo, ConnectorList, Halt
from tidings.deliveries.destinations.kinds import WEBHOOK
from tidings.errors import Invalid
from tidings.platform.postgres import Connection


async def list_connectors(connection: Connection) -> ConnectorList:
    """By their names."""
    halted = await halts(connection)
    return ConnectorList([info_of(CONNECTORS[name], halted.get(name)) for name in sorted(CONNECTORS)])


def info_of(connector: Connector, halted: Halted | None) -> ConnectorInfo:
    return ConnectorInfo(
        name=connector.name,
        channel=connector.channel,
        config=msgspec.json.schema(connector.config),
        credentials=msgspec.json.schema(connector.credentials),
        repeats=connector.repeats,
        schedule=list(connector.schedule),
        halt=None if halted is None else Halt(halted.halted_at, halted.reason),
    )


def chosen(name: str) -> Connector:
    """Raises Invalid for one that is none, and for webhooks, which have a door of their own."""
    if name == WEBHOOK:
        raise Invalid("Webhooks are endpoints: POST /v1/endpoints makes one.", field="connector")
    connector = CONNECTORS.get(name)
    if connector is None:
        there_are = ", ".join(sorted(CONNECTORS.keys() - {WEBHOOK}))
        raise Invalid(f"There is no connector {name!r}. There are: {there_are}.", field="connector")
    return connector
