"""Finding people by id, e-mail and attributes, page by page."""

from collections.abc import Iterable
from typing import Any

import msgspec
from piccolo.columns.combination import WhereRaw

from tidings.errors import Invalid
from tidings.platform.keyset import cut, decode_place, encode_place
from tidings.recipients.structs import SubscriberPage
from tidings.recipients.subscribers import info_of
from tidings.recipients.tables import Subscriber

PREFIX = "attribute."
MAX_FILTERS = 5


def attribute_filters(query: Iterable[tuple[str, str]]) -> list[tuple[list[str], str]]:
    """`attribute.plan=pro` as (["plan"], "pro"); `attribute.company.size=5` looks one level down. Raises Invalid."""
    found = [(name.removeprefix(PREFIX).split("."), value) for name, value in query if name.startswith(PREFIX)]
    if len(found) > MAX_FILTERS:
        raise Invalid(f"At most {MAX_FILTERS} attributes can be asked for at once.", field=PREFIX + "*")
    for path, value in found:
        if not all(path) or len(path) > 8 or "\x00" in value + "".join(path):
            raise Invalid("An attribute is named as in attribute.plan=pro, at most eight levels deep.", field=PREFIX + ".".join(path)[:80])
    return found


def meanings(value: str) -> list[Any]:
    """A query only knows text: `5` may mean the text or the number, `true` the text or the boolean."""
    try:
        read = msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return [value]
    return [value, read] if isinstance(read, int | float | bool) or read is None else [value]


def nested(path: list[str], value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def has_attribute(path: list[str], value: str) -> WhereRaw:
    asked = [msgspec.json.encode(nested(path, meaning)).decode() for meaning in meanings(value)]
    return WhereRaw("(" + " OR ".join(["attributes @> {}::text::jsonb"] * len(asked)) + ")", *asked)


async def search_subscribers(
    project: int, external_id: str | None, email: str | None, attributes: list[tuple[list[str], str]], after: str | None, limit: int
) -> SubscriberPage:
    """Inside a tenant transaction. Those who match everything that is asked, in the order in which they were created."""
    query = Subscriber.select().where(Subscriber.project == project, Subscriber.deleted_at.is_null(), Subscriber.id > decode_place(after))
    if external_id is not None:
        query = query.where(Subscriber.external_id == external_id)
    if email is not None:
        query = query.where(WhereRaw("email_key = lower({}::text)", email))
    for path, value in attributes:
        query = query.where(has_attribute(path, value))
    rows, more = cut(await query.order_by(Subscriber.id).limit(limit + 1), limit)
    return SubscriberPage([info_of(row) for row in rows], encode_place(rows[-1]["id"]) if more else None)
