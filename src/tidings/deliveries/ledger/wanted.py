"""Which destinations want an event."""

from collections.abc import Iterable, Sequence

import msgspec

from tidings.platform.postgres import Connection

# What `*` means. The rest of the log concerns keys and streams. Deliveries speak of themselves only to whoever asks for them by name:
# told to all, each would be followed by another for ever.
PUBLIC = ("notification.", "inbox.", "subscriber.", "topic.")
ON_REQUEST = ("delivery.", "endpoint.")


class Wish(msgspec.Struct, frozen=True):
    """What the planner knows of a destination. order_by: see `ordering.py`."""

    id: int
    project: int
    events: tuple[str, ...]
    order_by: str | None


def wants(patterns: Iterable[str], type_of_event: str) -> bool:
    """Whether one of the patterns names this type: it itself, `inbox.*` for its family, or `*`."""
    return any(names(pattern, type_of_event) for pattern in patterns)


def names(pattern: str, type_of_event: str) -> bool:
    if pattern == "*":
        return type_of_event.startswith(PUBLIC)
    if pattern.endswith(".*"):
        return type_of_event.startswith(pattern[:-1]) and type_of_event.startswith(PUBLIC + ON_REQUEST)
    return pattern == type_of_event


LIVING = """
SELECT id, project, events, order_by FROM destinations WHERE project = ANY ($1) AND deleted_at IS NULL ORDER BY id
"""


class Wishes:
    """The destinations of each project, kept until the log says that they changed."""

    def __init__(self) -> None:
        self.by_project: dict[int, Sequence[Wish]] = {}

    async def load(self, connection: Connection, projects: set[int]) -> None:
        missing = projects - self.by_project.keys()
        if not missing:
            return
        found: dict[int, list[Wish]] = {project: [] for project in missing}
        for row in await connection.fetch(LIVING, list(missing)):
            found[row["project"]].append(Wish(row["id"], row["project"], tuple(row["events"]), row["order_by"]))
        self.by_project.update(found)

    def forget(self, project: int) -> None:
        self.by_project.pop(project, None)

    def of(self, project: int, type_of_event: str) -> list[Wish]:
        return [wish for wish in self.by_project.get(project, ()) if wants(wish.events, type_of_event)]
