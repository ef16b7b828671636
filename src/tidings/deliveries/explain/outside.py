"""The part of every channel that leaves Tidings: one story for each destination, and one for each channel that has none."""

from typing import Any

from tidings.deliveries.explain.in_app import audience_step, words
from tidings.deliveries.explain.known import Known
from tidings.deliveries.explain.structs import ChannelStory, Reason, Verdict
from tidings.deliveries.ledger.channels import BY_FILTER, TO_PEOPLE
from tidings.deliveries.ledger.wanted import wants
from tidings.platform.postgres import Connection

EVENT = "notification.created"
MOST_DESTINATIONS = 200
MOST_ATTEMPTS = 20

DESTINATIONS = """
SELECT d.id, d.key, d.channel, d.events, d.created_at, d.disabled_at, d.disabled_as, l.breaker
FROM destinations d JOIN lanes l ON l.destination = d.id
WHERE d.project = $1 AND d.deleted_at IS NULL ORDER BY d.id LIMIT $2
"""
DELIVERIES = """
SELECT id::text, destination, state, attempts, reason, next_attempt_at, finished_at FROM deliveries
WHERE project = $1 AND notification = $2::uuid AND type = $3 AND (subscriber IS NULL OR subscriber = $4)
"""
ATTEMPTS = """
SELECT number, outcome, reason, detail, started_at, ended_at FROM attempts
WHERE project = $1 AND delivery = $2::uuid ORDER BY number DESC LIMIT $3
"""
VERDICTS: dict[str, Verdict] = {
    "pending": "on_its_way",
    "held": "on_its_way",
    "delivered": "delivered",
    "dead": "failed",
    "cancelled": "taken_back",
}
ADDRESS = {"email": "an e-mail address", "sms": "a phone number", "push": "a browser that takes pushes"}
WHY_HELD = {"disabled": "where it goes was disabled", "restored": "the database was restored to an earlier moment"}


async def outside_stories(connection: Connection, project: int, known: Known) -> list[ChannelStory]:
    rows = await connection.fetch(DELIVERIES, project, known.notification["id"], EVENT, known.person["id"])
    deliveries = {row["destination"]: row for row in rows}
    destinations = await connection.fetch(DESTINATIONS, project, MOST_DESTINATIONS)
    stories = [await destination_story(connection, project, known, one, deliveries.get(one["id"])) for one in destinations]
    without = known.channels - {"in_app"} - {one["channel"] for one in destinations}
    return stories + [nothing_there(channel) for channel in sorted(without)]


async def destination_story(connection: Connection, project: int, known: Known, destination: Any, delivery: Any | None) -> ChannelStory:
    if delivery is not None:
        steps = await delivery_steps(connection, project, destination, delivery)
        return ChannelStory(destination["channel"], VERDICTS[delivery["state"]], steps, destination["key"], delivery["id"])
    if not known.is_planned:
        steps = [Reason("planned", "The planner has not come to it yet.")]
        return ChannelStory(destination["channel"], "on_its_way", steps, destination["key"])
    return ChannelStory(destination["channel"], "not_sent", why_not(known, destination), destination["key"])


def why_not(known: Known, destination: Any) -> list[Reason]:
    """Why nothing was planned for a destination: the first reason that holds."""
    channel = destination["channel"]
    if channel in BY_FILTER:
        if not wants(destination["events"], EVENT):
            return [Reason("filter", f"Its filter is {', '.join(destination['events'])}, which does not name {EVENT}.")]
    elif channel not in known.channels:
        return [Reason("channel", f"It goes through {words(known.channels)}; neither it nor its category names {channel}.")]
    if destination["created_at"] > known.notification["created_at"]:
        return [Reason("created", "It was made after the notification was published.", destination["created_at"])]
    if channel in TO_PEOPLE:
        return [audience_step(known), *why_not_to(known, channel)]
    return [Reason("planned", "Nothing was planned for it; its filter or the notification's channels may have been others then.")]


def why_not_to(known: Known, channel: str) -> list[Reason]:
    if not known.is_in_audience:
        return []
    has = {"email": known.person["email"], "sms": known.person["phone"], "push": known.person["browsers"]}[channel]
    if not has:
        return [Reason("address", f"{known.person['external_id']} has not got {ADDRESS[channel]}.")]
    return [Reason("planned", "Another integration of this channel is the one in use, or the address is newer than the notification.")]


async def delivery_steps(connection: Connection, project: int, destination: Any, delivery: Any) -> list[Reason]:
    attempts = await connection.fetch(ATTEMPTS, project, delivery["id"], MOST_ATTEMPTS)
    steps = [Reason("attempt", attempt_says(attempt), attempt["ended_at"] or attempt["started_at"]) for attempt in reversed(attempts)]
    return [*steps, state_step(destination, delivery)]


def attempt_says(attempt: Any) -> str:
    if attempt["outcome"] is None:
        return f"Attempt {attempt['number']} is under way."
    detail = f" {attempt['detail']}" if attempt["detail"] else ""
    return f"Attempt {attempt['number']}: {attempt['outcome']} ({attempt['reason']}).{detail}"


def state_step(destination: Any, delivery: Any) -> Reason:
    state = delivery["state"]
    if state == "held":
        why = WHY_HELD.get(delivery["reason"], f"of {delivery['reason']}")
        return Reason("held", f"It is held because {why}; a replay of held ones sends it.", destination["disabled_at"])
    if state == "cancelled":
        return Reason("cancelled", f"It was cancelled ({delivery['reason'] or 'by hand'}).", delivery["finished_at"])
    if state != "pending":
        return Reason(state, "It arrived." if state == "delivered" else "It failed for good.", delivery["finished_at"])
    if destination["breaker"] != "closed":
        return Reason("breaker", "It waits: too many attempts there failed lately, so that its receiver is spared for a while.")
    return Reason("waiting", f"It waits for attempt {delivery['attempts'] + 1}.", delivery["next_attempt_at"])


def nothing_there(channel: str) -> ChannelStory:
    what = "endpoint" if channel == "webhook" else "integration"
    return ChannelStory(channel, "not_sent", [Reason("destination", f"The project has no {what} for {channel}.")])
