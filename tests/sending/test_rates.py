"""An endpoint's rate holds over all workers and planners together."""

import time
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest
from aiohttp import web
from running import Project, Running, until
from webhook_receiver import Received, Receiver

from sending.conftest import Sending, endpoint
from sending.in_numbers import publish_many, rows, until_states

RATE = 200
WINDOW_S = 10.0
# By one per cent, which is what is kept of an unused rate, and more.
MOST = RATE * WINDOW_S * 1.01
# It takes eleven seconds, so that there is a whole window in it.
COUNT = int(RATE * (WINDOW_S + 1))

# When dispatch let each go. A worker that is held up sends late, and then two of them together: that breaks no promise.
SEE_LEASES = """
CREATE TABLE leases_seen (delivery uuid, project int, at timestamptz);
GRANT INSERT, SELECT ON leases_seen TO tidings_worker;
CREATE FUNCTION see_lease() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO leases_seen VALUES (new.id, new.project, new.lease_until);
    RETURN NULL;
END $$;
CREATE TRIGGER see_lease AFTER UPDATE ON deliveries FOR EACH ROW
    WHEN (old.lease_until IS NULL AND new.lease_until IS NOT NULL) EXECUTE FUNCTION see_lease();
"""
SEE_NO_MORE = "DROP TRIGGER see_lease ON deliveries; DROP FUNCTION see_lease; DROP TABLE leases_seen"


@pytest.fixture
async def seeing(system: Running) -> AsyncIterator[Running]:
    """Leases are written down when they are taken."""
    owner = await asyncpg.connect(system.servers.database_url)
    await owner.execute(SEE_LEASES)
    yield system
    await owner.execute(SEE_NO_MORE)
    await owner.close()


def fullest(times: Sequence[float]) -> int:
    """The most that lie in any window."""
    ordered = sorted(times)
    most = first = 0
    for place, at in enumerate(ordered):
        while at - ordered[first] > WINDOW_S:
            first += 1
        most = max(most, place - first + 1)
    return most


async def workers_of(system: Running, project: Project) -> int:
    [row] = await rows(system, "SELECT count(DISTINCT worker) FROM attempts WHERE project = $1", project.id)
    return int(row["count"])


async def until_at_work(system: Running, receiver: Receiver, workers: int) -> None:
    """A process takes a while to begin."""
    other = await system.new_project()
    await endpoint(other, receiver, "/other")

    async def all_take_some() -> bool:
        await publish_many(other, [{}] * 20)
        return await workers_of(system, other) == workers

    await until(all_take_some, 30, f"{workers} workers are at work")


async def test_four_workers_and_two_planners_keep_an_endpoints_rate_together(
    seeing: Running, sending: Sending, project: Project, receiver: Receiver
) -> None:
    for worker in ("deliveries", "deliveries", "deliveries", "planner"):
        await seeing.another_worker(worker)
    await until_at_work(seeing, receiver, 4)
    await endpoint(project, receiver, rate=RATE, at_once=200)
    arrivals: dict[str, float] = {}

    async def answer(received: Received) -> web.StreamResponse:
        arrivals[received.id] = time.time()
        return web.Response()

    receiver.answers["/hook"] = answer
    await publish_many(project, [{}] * COUNT)
    await until_states(seeing, project, 90, delivered=COUNT)
    found = await rows(seeing, "SELECT delivery::text, at FROM leases_seen WHERE project = $1", project.id)
    leased = {row["delivery"]: row["at"].timestamp() for row in found}
    assert (len(found), leased.keys(), len(receiver.at("/hook"))) == (COUNT, arrivals.keys(), COUNT)
    assert fullest(list(leased.values())) <= MOST
    # At the receiver it is the same but for what waited on its way longer than another.
    late = [arrivals[delivery] - at for delivery, at in leased.items()]
    assert fullest(list(arrivals.values())) <= MOST + RATE * (max(late) - min(late))
    assert await workers_of(seeing, project) == 4
