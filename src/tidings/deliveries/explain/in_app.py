"""The inbox's part of the story."""

from typing import Any

from tidings.deliveries.explain.known import Known
from tidings.deliveries.explain.structs import ChannelStory, Reason, Verdict
from tidings.notifications.state import READ_AT, SEEN_AT
from tidings.platform.postgres import Connection

ITEM = f"""
SELECT {SEEN_AT} AS seen_at, {READ_AT} AS read_at, i.archived_at
FROM inbox i LEFT JOIN inbox_states s ON s.subscriber = i.subscriber WHERE i.subscriber = $1 AND i.id = $2::uuid
"""
FANOUT = "SELECT cursor, done_at FROM fanouts WHERE notification = $1::uuid AND kind = 'deliver'"
STREAMED = "SELECT first_at FROM streamed WHERE notification = $1::uuid"
REPLACED = """
SELECT id::text, created_at FROM notifications
WHERE project = $1 AND collapse_key = $2 AND id > $3::uuid AND created_at > $4 ORDER BY id LIMIT 1
"""


async def in_app_story(connection: Connection, project: int, known: Known) -> ChannelStory:
    steps = [audience_step(known)]
    if "in_app" not in known.channels:
        steps.append(Reason("channel", f"It goes through {words(known.channels)} and leaves the inbox out."))
        return story("not_sent", steps)
    if not known.is_in_audience:
        return story("not_sent", steps)
    streamed = await connection.fetchval(STREAMED, known.notification["id"])
    if streamed is not None:
        steps.append(Reason("streamed", "It was first handed to an open stream of somebody in the audience.", streamed))
    if known.notification["transient"]:
        steps.append(Reason("transient", "It was live only: whoever had no open stream at that moment did not see it."))
        return story("delivered" if streamed else "not_sent", steps)
    item = await connection.fetchrow(ITEM, known.person["id"], known.notification["id"])
    if item is not None:
        return story("delivered", [*steps, *item_steps(item)])
    return await missing_story(connection, project, known, steps)


def audience_step(known: Known) -> Reason:
    who, at = known.person["external_id"], known.notification["created_at"]
    if known.is_in_audience is None:
        return Reason("audience", f"Whether {who} was in the audience cannot be told: the log does not reach back so far.", at)
    if known.is_in_audience:
        return Reason("audience", f"{who} was in the audience.", at)
    return Reason("audience", f"{who} was not in the audience when it was published.", at)


def item_steps(item: Any) -> list[Reason]:
    steps = [Reason("inbox", "It is in the inbox.")]
    for name, says in (("seen", "It was seen."), ("read", "It was read."), ("archived", "It was archived.")):
        if item[f"{name}_at"] is not None:
            steps.append(Reason(name, says, item[f"{name}_at"]))
    return steps


async def missing_story(connection: Connection, project: int, known: Known, steps: list[Reason]) -> ChannelStory:
    """Why the item is not in the inbox of somebody who was in the audience."""
    row = known.notification
    if row["withdrawn_at"] is not None:
        return story("taken_back", [*steps, Reason(row["withdrawn_as"], f"It was {row['withdrawn_as']}.", row["withdrawn_at"])])
    fanout = await connection.fetchrow(FANOUT, row["id"])
    if fanout is not None and fanout["done_at"] is None and fanout["cursor"] < known.person["id"]:
        return story("on_its_way", [*steps, Reason("fan_out", "Its audience is large, and is still being written.")])
    if row["collapse_key"] is not None:
        later = await connection.fetchrow(REPLACED, project, row["collapse_key"], row["id"], row["created_at"])
        if later is not None:
            says = f"A later one with the same collapse key took its place: {later['id']}."
            return story("taken_back", [*steps, Reason("collapsed", says, later["created_at"])])
    return story("not_sent", [*steps, Reason("inbox", "It is not in the inbox any more.")])


def story(verdict: Verdict, steps: list[Reason]) -> ChannelStory:
    return ChannelStory("in_app", verdict, steps)


def words(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "no channel"
