"""Which destinations want an event."""

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from tidings.deliveries.ledger.channels import BY_FILTER, TO_A_ROOM, TO_PEOPLE
from tidings.events.entry import LogEvent
from tidings.platform.postgres import Connection

# What `*` means. The rest of the log concerns keys and streams. Deliveries speak of themselves only to whoever asks for them by name:
# told to all, each would be followed by another for ever.
PUBLIC = ("notification.", "inbox.", "subscriber.", "topic.")
ON_REQUEST = ("delivery.", "endpoint.", "integration.", "service_level.")


class Wish(msgspec.Struct, frozen=True):
    """What the planner knows of a destination. order_by: see `ordering.py`."""

    id: int
    project: int
    channel: str
    events: list[str]
    order_by: str | None


class Project(msgspec.Struct):
    """What the planner knows of a project. categories: the channels of each, besides those that a notification names."""

    wishes: list[Wish] = []
    categories: dict[str, list[str]] = {}


class Data(msgspec.Struct):
    category: str | None = None


class Internal(msgspec.Struct):
    channels: list[str] = []


def wants(patterns: Iterable[str], type_of_event: str) -> bool:
    """Whether one of the patterns names this type: it itself, `inbox.*` for its family, or `*`."""
    return any(names(pattern, type_of_event) for pattern in patterns)


def names(pattern: str, type_of_event: str) -> bool:
    if pattern == "*":
        return type_of_event.startswith(PUBLIC)
    if pattern.endswith(".*"):
        return type_of_event.startswith(pattern[:-1]) and type_of_event.startswith(PUBLIC + ON_REQUEST)
    return pattern == type_of_event


# One that is disabled is planned for too: what waits for it is held.
LIVING = """
SELECT id, project, channel, events, order_by FROM destinations WHERE project = ANY ($1) AND deleted_at IS NULL
ORDER BY disabled_at IS NOT NULL, id
"""
CATEGORIES = "SELECT project, category, channels FROM categories WHERE project = ANY ($1)"
# Events after which a project is read anew.
CHANGES = ("endpoint.", "integration.", "category.")


class Wishes:
    """The destinations of each project, kept until the log says that they changed."""

    def __init__(self) -> None:
        self.projects: dict[int, Project] = {}

    async def load(self, connection: Connection, events: Iterable[LogEvent]) -> None:
        """What these events need to be planned."""
        for event in events:
            if event.type.startswith(CHANGES):
                self.projects.pop(event.project, None)
        missing = {event.project for event in events} - self.projects.keys()
        if not missing:
            return
        found: defaultdict[int, Project] = defaultdict(Project)
        for row in await connection.fetch(LIVING, list(missing)):
            found[row["project"]].wishes.append(Wish(*row))
        for project, category, channels in await connection.fetch(CATEGORIES, list(missing)):
            found[project].categories[category] = channels
        self.projects.update({project: found[project] for project in missing})

    def of(self, event: LogEvent) -> list[Wish]:
        """Those that are to get it once, whoever it is for."""
        known = self.projects[event.project].wishes
        wanted = [wish for wish in known if wish.channel in BY_FILTER and wants(wish.events, event.type)]
        if event.type == "notification.created" and any(wish.channel in TO_A_ROOM for wish in known):
            channels = self.channels_of(event)
            wanted += [wish for wish in known if wish.channel in TO_A_ROOM & channels]
        return wanted

    def to_people(self, event: LogEvent) -> list[Wish]:
        """Those through which each recipient is to get it: of each channel the oldest that is enabled, so that nobody gets it twice."""
        known = [wish for wish in self.projects[event.project].wishes if wish.channel in TO_PEOPLE]
        if not known or event.type != "notification.created":
            return []
        channels = self.channels_of(event)
        oldest = {wish.channel: wish for wish in reversed(known)}
        return [wish for channel, wish in sorted(oldest.items()) if channel in channels]

    def reaches_people(self, project: int) -> bool:
        return any(wish.channel in TO_PEOPLE for wish in self.projects[project].wishes)

    def channels_of(self, event: LogEvent) -> set[str]:
        """Those that a notification names, and those of its category."""
        named = set(msgspec.json.decode(event.internal, type=Internal).channels) if event.internal else set()
        categories = self.projects[event.project].categories
        if not categories:
            return named
        return named | set(categories.get(msgspec.json.decode(event.data, type=Data).category or "", ()))
