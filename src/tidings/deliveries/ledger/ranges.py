"""Reading one endpoint's deliveries, or those of it in one state, in the order of their ids and no further than they are wanted.

Told an endpoint and a state, PostgreSQL takes them for independent, expects a handful, and reads and sorts what may be a million. Told the
order of the ids, it may walk along these and come past all that went elsewhere. So a range is named as one of the index that is meant,
asked for in the order that only this index has, on a transaction that does not sort what an index has in order.
"""

from collections.abc import Mapping

# With nothing left to choose, one plan for all will do.
IN_ORDER = "; ".join(
    f"SET LOCAL {name} = {value}"
    for name, value in (("enable_sort", "off"), ("enable_incremental_sort", "off"), ("plan_cache_mode", "force_generic_plan"))
)
# What indexes are of that hold a part of all.
OF_PART = {"state": "state <> 'delivered'", "notification": "notification IS NOT NULL"}
EVERY_ID = "'00000000-0000-0000-0000-000000000000'::uuid", "'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid"


def within(same: Mapping[str, str], first: str, last: str) -> str:
    """SQL: what has these values, and an id from the first to the last. same: in the order of an index that goes on with `id`."""
    columns = ", ".join((*same, "id"))
    lowest, highest = (", ".join((*same.values(), id)) for id in (first, last))
    parts = [OF_PART[column] for column in same if column in OF_PART]
    # By the ids alone, partitions are left out.
    return " AND ".join([f"({columns}) >= ({lowest}) AND ({columns}) <= ({highest}) AND id >= {first} AND id <= {last}", *parts])


def of_destination(state: str | None = None, direction: str = "", more: str = "") -> str:
    """SQL: those of project $1 to destination $2, all or in a state other than delivered, by their ids. more: looked for among these."""
    same = {"destination": "$2"} | ({} if state is None else {"state": f"'{state}'"})
    return f"deliveries WHERE project = $1 AND {within(same, *EVERY_ID)} {more} ORDER BY {in_order(same, direction)}"


def in_order(same: Mapping[str, str], direction: str = "") -> str:
    return ", ".join(f"{column} {direction}".strip() for column in (*same, "id"))
