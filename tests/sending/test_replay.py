"""A replay of very many: at its rate, with its progress to be seen, and each delivery once, though the planner is killed midway.

REPLAYED=100000 pytest -s tests/sending/test_replay.py replays a hundred thousand.
"""

import os
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from running import Project, until
from webhook_receiver import Receiver

from sending.conftest import Sending, endpoint
from sending.in_numbers import publish_many, rows, until_states

COUNT = int(os.environ.get("REPLAYED") or 3000)
# So many are published and delivered; the others stand in the ledger as if they had been.
PUBLISHED = min(COUNT, 3000)
RATE = max(500, COUNT // 100)
BEGINNING = "2020-01-01T00:00:00Z"

COPY = """
INSERT INTO deliveries (id, project, destination, notification, type, shard, position, event_at, accepted_at, state, attempts,
    next_attempt_at, finished_at)
SELECT uuidv7(), project, destination, notification, type, shard, position, event_at, accepted_at, state, 1, next_attempt_at, finished_at
FROM deliveries CROSS JOIN generate_series(1, $2::int / $3::int + 1) WHERE project = $1 LIMIT $2
"""
STARTED_AGAIN = "SELECT started_at, outcome FROM attempts WHERE project = $1 AND number > 1 ORDER BY started_at"


class Progress:
    """A replay as GET /v1/replays/{id} shows it. shown: each answer, and when it had come."""

    def __init__(self, project: Project, replay: str) -> None:
        self.project = project
        self.replay = replay
        self.shown: list[tuple[Any, datetime]] = []

    async def look(self) -> Any:
        shown = await self.project.call("GET", f"/v1/replays/{self.replay}")
        self.shown.append((shown, datetime.now(UTC)))
        return shown

    async def queued(self, count: int) -> bool:
        return int((await self.look())["queued"]) >= count

    async def is_done(self) -> bool:
        return bool((await self.look())["state"] == "done")

    @property
    def began(self) -> datetime:
        return datetime.fromisoformat(self.shown[0][0]["created_at"])

    def allowed(self, by: datetime) -> float:
        return RATE * (by - self.began).total_seconds() + 1


async def test_a_bulk_replay_goes_on_after_its_planner_was_killed_and_sends_each_once_at_its_rate(
    sending: Sending, project: Project, receiver: Receiver
) -> None:
    made = (await endpoint(project, receiver, at_once=200))["id"]
    await publish_many(project, [{}] * PUBLISHED)
    await until_states(sending.system, project, 90, delivered=PUBLISHED)
    first = {one.id for one in receiver.got}
    await rows(sending.system, COPY, project.id, COUNT - PUBLISHED, PUBLISHED)
    receiver.got.clear()

    began = time.monotonic()
    body = {"endpoint": made, "since": BEGINNING, "state": "delivered", "rate": RATE}
    progress = Progress(project, (await project.call("POST", "/v1/deliveries/replay", body))["id"])
    await until(lambda: progress.queued(COUNT // 3), 120, "a third is on its way")
    await sending.planner.kill()
    before, after = await progress.look(), await progress.look()
    assert (after["state"], after["queued"]) == ("running", before["queued"])
    assert after["queued"] < COUNT
    await sending.planner.start()
    await until(progress.is_done, 180, "the replay is done")
    await until_states(sending.system, project, 180, delivered=COUNT)
    took = time.monotonic() - began

    queued = [shown["queued"] for shown, _ in progress.shown]
    assert queued == sorted(queued)
    assert len(set(queued)) > 5
    assert (queued[-1], {shown["total"] for shown, _ in progress.shown}) == (COUNT, {COUNT})
    assert all(shown["queued"] <= progress.allowed(at) for shown, at in progress.shown)
    attempts = await rows(sending.system, STARTED_AGAIN, project.id)
    assert all(place <= progress.allowed(attempt["started_at"]) for place, attempt in enumerate(attempts, start=1))
    # Nothing went twice but what no worker could answer for.
    outcomes = Counter(attempt["outcome"] for attempt in attempts)
    assert outcomes["delivered"] == COUNT
    assert set(outcomes) <= {"delivered", "lost"}
    times = Counter(one.id for one in receiver.got)
    assert len(times) == COUNT
    assert first <= times.keys()
    assert times.total() <= COUNT + outcomes["lost"]

    os.write(2, f"\n{COUNT} sent again in {took:.1f} s, at a rate of {RATE}/s\n".encode())
