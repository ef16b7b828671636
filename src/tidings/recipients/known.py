"""The inner ids of people named lately, so that naming them again asks PostgreSQL nothing.

A name means someone else once its person was deleted. So each deletion raises `projects.people_deleted`, and whoever writes with
remembered ids says, in the statement that writes, at which number they were read: should it have moved on, nothing is written.
"""

import time
from collections.abc import Iterable

import msgspec

from tidings.platform.caches import show_caches
from tidings.platform.postgres import Connection

MOST = 100_000
# Only the safety net, for a database that was set back to an earlier time.
TTL_S = 60.0

KNOWN = """
SELECT p.people_deleted, s.external_id, s.id FROM projects p LEFT JOIN LATERAL tidings_subscribers(ARRAY[$1::int], $2) AS s ON true
WHERE p.id = $1
"""


class People(msgspec.Struct, frozen=True):
    """Of one project. deleted: `projects.people_deleted` when they were read.   until: by time.monotonic()."""

    deleted: int
    until: float
    ids: dict[str, int] = {}


NOBODY = People(0, 0)


class KnownPeople:
    """Those that this process remembers, of all projects."""

    def __init__(self) -> None:
        self.projects: dict[int, People] = {}
        self.remembered = 0
        self.hits = 0
        self.misses = 0
        show_caches(people=self)

    def __len__(self) -> int:
        return self.remembered

    async def find(self, connection: Connection, project: int, names: Iterable[str]) -> People | None:
        """The project's people, all these names among them; None when one of them is not known yet."""
        wanted = set(names)
        people = self.projects.get(project)
        if people is None or people.until < time.monotonic():
            self.misses += 1
            people = await self.read(connection, project, wanted)
        elif unknown := wanted.difference(people.ids):
            self.misses += 1
            people = await self.read(connection, project, unknown)
        else:
            self.hits += 1
        return people if wanted.issubset(people.ids) else None

    def forget(self, project: int) -> None:
        self.projects.pop(project, None)

    async def read(self, connection: Connection, project: int, names: set[str]) -> People:
        rows = await connection.fetch(KNOWN, project, sorted(names))
        self.remembered += len(rows)
        if self.remembered > MOST:
            self.projects.clear()
            self.remembered = len(rows)
        now = time.monotonic()
        people = self.projects.get(project)
        if people is None or people.until < now or people.deleted != rows[0][0]:
            people = self.projects[project] = People(rows[0][0], now + TTL_S)
        people.ids.update((name, inner) for _, name, inner in rows if name is not None)
        return people
