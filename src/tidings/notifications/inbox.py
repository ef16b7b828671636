"""Reading an inbox: newest first, by keyset, with the cursor from which a stream misses nothing."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

import msgspec

from tidings.events.cursor import Cursor
from tidings.notifications.marks import valid_id
from tidings.notifications.state import FIRST_ID, HERE, LAST_ID, READ_AT, SEEN_AT, UNREAD
from tidings.notifications.structs import InboxItem, InboxPage
from tidings.platform.postgres import Connection

View = Literal["all", "unread", "archived"]

COLUMNS = f"""i.id::text, n.title, n.body, n.url, n.data::text, n.category, n.priority, n.collapse_key, n.expires_at, n.created_at,
    {SEEN_AT} AS seen_at, {READ_AT} AS read_at, i.archived_at"""


# The largest page, and one more to tell that there are more.
MOST = 201


def page_sql(which: str, is_of_category: bool, most: int) -> str:
    """$1 subscriber, $2 items before this id, $3 category, if only of one.

    `most` and the category are part of the text, because a plan made once for all reads in the order of the index only when it knows how
    few are wanted, and by category only when it knows that there is one.
    """
    category = "AND i.category = $3" if is_of_category else ""
    return f"""
    SELECT {COLUMNS} FROM inbox i JOIN notifications n ON n.id = i.id LEFT JOIN inbox_states s ON s.subscriber = i.subscriber
    WHERE i.subscriber = $1 AND i.id < $2::uuid AND {which} {category}
      AND n.withdrawn_at IS NULL AND (i.expires_at IS NULL OR i.expires_at > now())
    ORDER BY i.id DESC LIMIT {most}
    """


def unread_sql(is_of_category: bool, most: int) -> str:
    """Unread items lie above the watermark or stand apart. Two index ranges: one condition over both would walk every item that the
    watermark covers (100,000 after "mark all read").
    """
    return f"""
    SELECT * FROM ({page_sql(f"{ABOVE_WATERMARK} AND {HERE} AND i.read_at IS NULL", is_of_category, most)}) AS above
    UNION
    SELECT * FROM ({page_sql(f"i.apart AND {HERE} AND {UNREAD}", is_of_category, most)}) AS apart
    ORDER BY id DESC LIMIT {most}
    """


ABOVE_WATERMARK = f"i.id > (SELECT coalesce(max(read_up_to::text), '{FIRST_ID}')::uuid FROM inbox_states WHERE subscriber = $1)"
# Whoever archives everything has nothing here up to where the sums end; without this their empty page walks all that they archived.
ABOVE_NOTHING = f"i.id > (SELECT coalesce(max(counted_to::text), '{FIRST_ID}')::uuid FROM inbox_states WHERE subscriber = $1 AND total = 0)"


@cache
def statement(view: View, is_of_category: bool, most: int) -> str:
    if view == "unread":
        return unread_sql(is_of_category, most)
    return page_sql(f"{HERE} AND {ABOVE_NOTHING}" if view == "all" else "i.archived_at IS NOT NULL", is_of_category, most)


UNFINISHED = "SELECT min(position) FROM fanouts WHERE project = $1 AND done_at IS NULL AND kind = 'deliver'"


async def read_page(
    connection: Connection, project: int, subscriber: int, view: View, category: str | None, after: str | None, limit: int, position: Cursor
) -> InboxPage:
    """One page. position: where this process stands in the log, read before this was called.

    The page's cursor never passes an audience still being written, so that joining page and stream leaves no gap.
    """
    unfinished = await connection.fetchval(UNFINISHED, project)
    cursor = position if unfinished is None else Cursor(position.epoch, min(position.position, unfinished - 1))
    before = valid_id(after, "after") if after is not None else LAST_ID
    # Few sizes, so that few statements are prepared.
    most = next(size for size in (26, 51, MOST) if size > limit)
    of_category = () if category is None else (category,)
    rows = await connection.fetch(statement(view, category is not None, most), subscriber, before, *of_category)
    items = [item_of(row) for row in rows[:limit]]
    return InboxPage(items, items[-1].id if len(rows) > limit else None, str(cursor))


def item_of(row: Sequence[Any]) -> InboxItem:
    values = list(row)
    values[4] = msgspec.Raw(values[4]) if values[4] is not None else None
    return InboxItem(*values)
