"""Many deliveries at once: published by the batch, counted in the ledger."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from running import Project, Running, until

TOGETHER = 250


async def publish_many(project: Project, notifications: Sequence[dict[str, Any]]) -> list[str]:
    """In this order. Their ids."""
    ids: list[str] = []
    for start in range(0, len(notifications), TOGETHER):
        batch = [{"to": ["alice"], "title": f"n{start + place}"} | one for place, one in enumerate(notifications[start : start + TOGETHER])]
        answer = await project.call("POST", "/v1/notifications/batch", {"notifications": batch})
        ids += [one["id"] for one in answer["results"]]
    return ids


async def rows(system: Running, sql: str, *values: Any) -> list[Any]:
    """Of the ledger. sql: one statement."""
    found: list[Any] = await system.database.system.fetch(sql, *values)
    return found


async def states(system: Running, project: Project) -> Counter[str]:
    """How many of the project's deliveries are in each state."""
    sql = "SELECT state, count(*) FROM deliveries WHERE project = $1 GROUP BY state"
    return Counter({row["state"]: row["count"] for row in await rows(system, sql, project.id)})


async def until_states(system: Running, project: Project, within: float, **wanted: int) -> None:
    """Wait until the project's deliveries are in these states, so many in each, and none in another."""

    async def as_wanted() -> bool:
        return await states(system, project) == Counter(wanted)

    await until(as_wanted, within, f"deliveries of {project.key} are {wanted}")


async def states_at(system: Running, endpoint: str) -> Counter[str]:
    """The same, of one endpoint."""
    sql = "SELECT state, count(*) FROM deliveries WHERE destination = (SELECT id FROM destinations WHERE key = $1) GROUP BY state"
    return Counter({row["state"]: row["count"] for row in await rows(system, sql, endpoint)})
