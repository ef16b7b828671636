"""Who a notification is for.

Up to 1,000 people are resolved when it is published: the event carries them, and their inbox rows are written in that transaction.
A larger audience is named by topics or everyone, and means the members as of the event's position.

Members go from the database to the database as text: 1,000 of them cost 1.6 ms of a publish as numbers in lists, and next to nothing
as the array literal that PostgreSQL itself wrote.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tidings.errors import Invalid, NotFound
from tidings.events.outbox import array_literal
from tidings.notifications.draft import Draft
from tidings.notifications.structs import MAX_RECIPIENTS
from tidings.platform.postgres import Connection
from tidings.recipients.resolve import ensure_subscribers
from tidings.recipients.resolve import look_up as look_up_subscribers


class People(msgspec.Struct, frozen=True):
    """Inner ids, rising, each once, as an array literal.   count: how many."""

    literal: str
    count: int

    @property
    def ids(self) -> list[int]:
        return [int(number) for number in self.literal[1:-1].split(",")] if self.count else []


NOBODY = People("{}", 0)


class Resolved(msgspec.Struct, frozen=True):
    """recipients: those known one by one. topics, everyone: set only for a large audience. size: people, at most."""

    recipients: People
    topics: list[int] | None
    everyone: bool
    size: int

    @property
    def is_large(self) -> bool:
        return self.everyone or self.topics is not None


class Directory(msgspec.Struct, frozen=True):
    """All that the drafts of one transaction name. members, everybody: only where small enough to be resolved."""

    subscribers: Mapping[str, int]
    topics: Mapping[str, tuple[int, int]]  # key → inner id, number of members
    members: Mapping[int, People]
    everybody: People
    everybody_size: int


async def look_up(connection: Connection, project: int, by_actor: Mapping[str, Sequence[Draft]]) -> Directory:
    """Everything the drafts name, in a few statements however many drafts there are. by_actor: who is said to have created new people."""
    drafts = [draft for some in by_actor.values() for draft in some]
    strict = [name for draft in drafts if draft.wanted.strict for name in draft.subscribers]
    subscribers: dict[str, int] = {}
    for actor, some in by_actor.items():
        lenient = [name for draft in some if not draft.wanted.strict for name in draft.subscribers]
        if lenient:
            subscribers |= await ensure_subscribers(connection, project, lenient, actor)
    if strict:
        subscribers = await look_up_subscribers(connection, project, sorted(set(strict))) | subscribers
    topics = await known_topics(connection, project, [key for draft in drafts for key in draft.topics])
    small = [topic for topic, size in topics.values() if size <= MAX_RECIPIENTS]
    everybody, everybody_size = await everybody_of(connection, project) if any(d.everyone for d in drafts) else (NOBODY, 0)
    return Directory(subscribers, topics, await members_of(connection, small) if small else {}, everybody, everybody_size)


async def known_topics(connection: Connection, project: int, keys: Sequence[str]) -> dict[str, tuple[int, int]]:
    if not keys:
        return {}
    rows = await connection.fetch(
        "SELECT key, id, members FROM topics WHERE project = $1 AND key = ANY($2::text[]) AND deleted_at IS NULL",
        project,
        sorted(set(keys)),
    )
    return {row[0]: (row[1], row[2]) for row in rows}


MEMBERS = """
SELECT topic, array_agg(subscriber ORDER BY subscriber)::text, count(*) FROM topic_members
WHERE topic = ANY($1::bigint[]) AND removed_by IS NULL GROUP BY topic
"""
EVERYBODY = """
SELECT array_agg(id ORDER BY id)::text, count(*) FROM
    (SELECT id FROM subscribers WHERE project = $1 AND deleted_at IS NULL ORDER BY id LIMIT $2) AS people
"""


async def members_of(connection: Connection, topics: Sequence[int]) -> dict[int, People]:
    return {row[0]: People(row[1], row[2]) for row in await connection.fetch(MEMBERS, topics)}


async def everybody_of(connection: Connection, project: int) -> tuple[People, int]:
    literal, count = await connection.fetchrow(EVERYBODY, project, MAX_RECIPIENTS + 1)
    if count <= MAX_RECIPIENTS:
        return People(literal or "{}", count), count
    return NOBODY, await connection.fetchval("SELECT count(*) FROM subscribers WHERE project = $1 AND deleted_at IS NULL", project)


def resolve(draft: Draft, directory: Directory) -> Resolved:
    """Raises Invalid for an unknown subscriber of a strict draft, NotFound for an unknown topic."""
    recipients = people_of({inner_id(name, draft, directory) for name in draft.subscribers})
    for index, one in enumerate(draft.wanted.to):
        if not isinstance(one, str) and one.topic is not None and one.topic not in directory.topics:
            raise NotFound(f"There is no topic {one.topic!r}; PUT /v1/topics/{one.topic} makes it.", field=f"to[{index}].topic")
    named = [directory.topics[key] for key in draft.topics]
    if all(members <= MAX_RECIPIENTS for _, members in named) and not (draft.everyone and directory.everybody_size > MAX_RECIPIENTS):
        groups = [directory.members.get(topic, NOBODY) for topic, _ in named] + ([directory.everybody] if draft.everyone else [])
        together = united([recipients, *groups])
        if together.count <= MAX_RECIPIENTS:
            return Resolved(together, None, False, together.count)
    size = recipients.count + sum(members for _, members in named) + (directory.everybody_size if draft.everyone else 0)
    return Resolved(recipients, [topic for topic, _ in named], draft.everyone, size)


def united(groups: Sequence[People]) -> People:
    """Those of any group. A lone group, as a topic mostly is, stays the text that it is."""
    somebody = [group for group in groups if group.count]
    if len(somebody) == 1:
        return somebody[0]
    return people_of({subscriber for group in somebody for subscriber in group.ids})


def people_of(subscribers: Iterable[int]) -> People:
    numbers = sorted(subscribers)
    return People(array_literal(numbers), len(numbers))


def inner_id(name: str, draft: Draft, directory: Directory) -> int:
    try:
        return directory.subscribers[name]
    except KeyError:
        index = draft.wanted.to.index(name)
        raise Invalid(f"There is no subscriber {name!r}, and strict was asked for.", field=f"to[{index}]") from None
