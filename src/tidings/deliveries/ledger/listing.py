"""Finding deliveries, newest first. A page reads an index from its place on and looks at a bounded number of rows, whatever is asked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from tidings.deliveries.destinations.kinds import ENDPOINT, INTEGRATION, Kind, by_kind
from tidings.deliveries.destinations.kinds import unknown as unknown_destination
from tidings.deliveries.ledger.ranges import IN_ORDER, in_order, within
from tidings.deliveries.ledger.structs import DeliveryInfo, DeliveryPage, State
from tidings.errors import Invalid, Malformed, NotFound
from tidings.platform.postgres import Connection

# What no index tells apart (type, subscriber, delivered or not) is looked for among so many; then the page ends, and `next` goes on.
LOOK_AT = 5000
# Few sizes, so that few statements are prepared. They are part of the text: a plan made once for all reads in the order of the index only
# when it knows how few are wanted.
SIZES = (26, 101, 1001)
NO_ID = UUID(int=0)

COLUMNS = """d.id::text, t.key AS destination, d.type, d.notification::text, s.external_id AS subscriber, d.state, d.attempts,
    CASE WHEN d.state = 'pending' AND d.next_attempt_at < 'infinity' THEN d.next_attempt_at END AS next_attempt_at,
    d.reason, d.accepted_at, d.finished_at"""
NAMED = "JOIN destinations t ON t.id = d.destination LEFT JOIN subscribers s ON s.id = d.subscriber"
GET = f"SELECT {COLUMNS} FROM deliveries d {NAMED} WHERE d.project = $1 AND d.id = $2::uuid"
DESTINATION = "SELECT d.id, d.disabled_at, d.deleted_at FROM destinations d WHERE d.project = $1 AND d.key = $2"
SUBSCRIBER = "SELECT id FROM subscribers WHERE project = $1 AND external_id = $2 AND deleted_at IS NULL"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. endpoint, integration, subscriber: as the outside names them.

    since, until: when it was accepted; the end is not in it.
    """

    endpoint: str | None = None
    integration: str | None = None
    state: State | None = None
    type: str | None = None
    notification: UUID | None = None
    subscriber: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Conditions:
    """What a statement asks for. values: of its parameters.

    within: the columns by which an index finds them, each with the one value that it is to have; after these the index is in the order of
    the ids.   project: whose they are, whichever index that is; row-level security says so too, but not to every role.   looked_for: what
    no index tells apart.
    """

    def __init__(self, project: int) -> None:
        self.values: list[Any] = []
        self.within: dict[str, str] = {}
        self.project = self.parameter(project)
        self.looked_for: list[str] = []

    def parameter(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def look_for(self, column: str, value: Any) -> None:
        if value is not None:
            self.looked_for.append(f"{column} = {self.parameter(value)}")


async def list_deliveries(connection: Connection, project: int, wanted: Wanted, after: str | None, limit: int) -> DeliveryPage:
    """Raises NotFound for an unknown endpoint or integration, Invalid for both at once, Malformed for a place that is none."""
    named = named_one(wanted.endpoint, wanted.integration)
    destination = None if named is None else (await find_destination(connection, project, *named))["id"]
    subscriber = None
    if wanted.subscriber is not None:
        subscriber = await connection.fetchval(SUBSCRIBER, project, wanted.subscriber)
        if subscriber is None:
            return DeliveryPage([], None)
    asked = conditions_of(project, wanted, destination, subscriber)
    most = next(size for size in SIZES if size > limit)
    look_at = max(LOOK_AT, most) if asked.looked_for else most
    sql = page_sql(asked, ids_of(wanted, place_of(after)), look_at, most)
    async with connection.transaction():
        await connection.execute(IN_ORDER)
        rows = await connection.fetch(sql, *asked.values)
    found = [row for row in rows if row["fits"]]
    return DeliveryPage([info_of(row) for row in found[:limit]], next_place(rows, found, limit, look_at))


def named_one(endpoint: str | None, integration: str | None) -> tuple[Kind, str] | None:
    """The one of both that is named. Raises Invalid when both are."""
    if endpoint is not None and integration is not None:
        raise Invalid("Nothing goes to an endpoint and to an integration: name one of them.", field="integration")
    if endpoint is not None:
        return ENDPOINT, endpoint
    return None if integration is None else (INTEGRATION, integration)


async def find_destination(connection: Connection, project: int, kind: Kind, key: str) -> Any:
    """Also one that was deleted: what was sent there stays in the ledger. Raises NotFound."""
    row = await connection.fetchrow(f"{DESTINATION} AND {kind.which}", project, key)
    if row is None:
        raise unknown_destination(kind, key, kind.name)
    return row


def conditions_of(project: int, wanted: Wanted, destination: int | None, subscriber: int | None) -> Conditions:
    asked = Conditions(project)
    if wanted.notification is not None:
        asked.within = {"notification": asked.parameter(wanted.notification)}
        asked.look_for("destination", destination)
    elif destination is not None:
        asked.within = {"destination": asked.parameter(destination)}
    if wanted.notification is None and wanted.state not in (None, "delivered"):
        asked.within["state"] = asked.parameter(wanted.state)
    else:
        asked.look_for("state", wanted.state)
    asked.look_for("type", wanted.type)
    asked.look_for("subscriber", subscriber)
    return asked


def page_sql(asked: Conditions, ids: tuple[UUID, UUID], look_at: int, most: int) -> str:
    """Those that fit, until the page is full; before that, the last one that may be looked at stands among them, whether it fits or not.
    ids: the first and the last that may be.

    Looking stops there: nearly every delivery was delivered, and 5,000 of one endpoint lie in as many places of the disk.
    """
    first, last = (asked.parameter(one) for one in ids)
    newest_first = in_order(asked.within, "DESC")
    return f"""
    WITH found AS MATERIALIZED (
        SELECT * FROM (
            SELECT *, {" AND ".join(asked.looked_for) or "true"} AS fits, row_number() OVER (ORDER BY {newest_first}) AS place
            FROM deliveries WHERE project = {asked.project} AND {within(asked.within, first, last)} ORDER BY {newest_first} LIMIT {look_at}
        ) AS looked WHERE fits OR place = {look_at} ORDER BY {newest_first} LIMIT {most}
    )
    SELECT {COLUMNS}, d.fits, d.place FROM found d {NAMED} ORDER BY d.id DESC
    """


def ids_of(wanted: Wanted, before: UUID | None) -> tuple[UUID, UUID]:
    """The first and the last that may be."""
    ends = [id.int for id in (before, first_id(wanted.until) if wanted.until else None) if id is not None]
    return first_id(wanted.since) if wanted.since else NO_ID, UUID(int=max(0, min([*ends, 1 << 128]) - 1))


def next_place(rows: list[Any], found: list[Any], limit: int, look_at: int) -> str | None:
    if len(found) > limit:
        return str(found[limit - 1]["id"])
    return str(rows[-1]["id"]) if rows and rows[-1]["place"] == look_at else None


def first_id(at: datetime) -> UUID:
    """The least id of that millisecond (UUIDv7). No id is of a time before 1970."""
    return UUID(int=max(0, int(at.timestamp() * 1000)) << 80)


def place_of(after: str | None) -> UUID | None:
    if after is None:
        return None
    try:
        return UUID(after)
    except ValueError:
        raise Malformed(f"after={after!r} is no place in a list: pass `next` of the page before, as it was.", field="after") from None


async def get_delivery(connection: Connection, project: int, identity: str) -> DeliveryInfo:
    """Raises NotFound."""
    row = await connection.fetchrow(GET, project, delivery_id(identity))
    if row is None:
        raise unknown(identity)
    return info_of(row)


def delivery_id(text: str) -> UUID:
    """What is no UUID names no delivery. Raises NotFound."""
    try:
        return UUID(text)
    except ValueError:
        raise unknown(text) from None


def unknown(identity: str) -> NotFound:
    return NotFound(f"There is no delivery {identity[:80]!r}.")


def info_of(row: Mapping[str, Any]) -> DeliveryInfo:
    named = by_kind(row["destination"])
    return DeliveryInfo(**named, **{name: row[name] for name in DeliveryInfo.__struct_fields__ if name not in named})
