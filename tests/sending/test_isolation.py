"""What is slow or floods holds up nobody else: not the other endpoints of its project, and not other projects."""

import asyncio
from contextlib import AsyncExitStack

from aiohttp import web
from running import Project, Running, until
from webhook_receiver import Received, Receiver, receiving

from sending.conftest import Sending, endpoint
from sending.in_numbers import publish_many, rows, states, states_at, until_states
from tidings.deliveries.ledger.dispatch import MOST_OUT

ENDPOINTS = 100
EVENTS = 20
FLOOD = 4000
# Each of another server, which may get two hundred at once: more than a worker has connections, and more than may be out in all.
HANGING = 12
FEW = 20

MOST_AT_ONCE = """
SELECT max(at_once) FROM (
    SELECT (
        SELECT count(*) FROM attempts other WHERE other.destination = one.destination
          AND other.started_at <= one.started_at AND coalesce(other.ended_at, 'infinity') > one.started_at
    ) AS at_once
    FROM attempts one WHERE one.destination = (SELECT id FROM destinations WHERE key = $1)
) AS counted
"""


async def test_while_one_endpoint_of_a_hundred_hangs_all_others_are_delivered_to(
    sending: Sending, project: Project, receiver: Receiver
) -> None:
    hanging = (await endpoint(project, receiver, "/hangs", at_once=3))["id"]
    for number in range(1, ENDPOINTS):
        await endpoint(project, receiver, f"/{number}")
    over = receiver.hang("/hangs")
    await publish_many(project, [{}] * EVENTS)
    others = (ENDPOINTS - 1) * EVENTS
    await until_states(sending.system, project, 60, delivered=others, pending=EVENTS)
    assert await states_at(sending.system, hanging) == {"pending": EVENTS}
    assert {len(receiver.at(f"/{number}")) for number in range(1, ENDPOINTS)} == {EVENTS}
    over.set()
    await until_states(sending.system, project, 60, delivered=others + EVENTS)
    [found] = await rows(sending.system, MOST_AT_ONCE, hanging)
    assert found[0] == 3


async def two_projects_of_one_shard(system: Running) -> tuple[Project, Project]:
    """Whose events are planned one after the other."""
    one, other = await system.new_project("Flooded"), await system.new_project("Quiet")
    while other.shard != one.shard:
        other = await system.new_project("Quiet")
    return one, other


async def test_a_project_that_floods_a_slow_endpoint_holds_up_no_other(sending: Sending, receiver: Receiver) -> None:
    flooded, quiet = await two_projects_of_one_shard(sending.system)
    flood = (await endpoint(flooded, receiver, "/slow"))["id"]
    await endpoint(quiet, receiver, "/quick")

    async def slowly(_: Received) -> web.StreamResponse:
        await asyncio.sleep(0.25)
        return web.Response()

    receiver.answers["/slow"] = slowly
    await publish_many(flooded, [{}] * FLOOD)

    async def flooding() -> bool:
        return (await states(sending.system, flooded)).total() == FLOOD and bool(receiver.at("/slow"))

    await until(flooding, 60, "all of the flood waits in the ledger")
    await publish_many(quiet, [{}] * FEW)
    await until_states(sending.system, quiet, 30, delivered=FEW)
    # Twenty at a time, four times a second: the flood takes most of a minute.
    assert (await states(sending.system, flooded))["pending"] > FLOOD / 2
    await flooded.call("DELETE", f"/v1/endpoints/{flood}")

    async def ended() -> bool:
        return (await states(sending.system, flooded))["pending"] == 0

    await until(ended, 30, "the rest of the flood is cancelled")


async def test_a_project_whose_endpoints_all_hang_leaves_room_to_the_others(sending: Sending, receiver: Receiver) -> None:
    hanging, quiet = await two_projects_of_one_shard(sending.system)
    await endpoint(quiet, receiver, "/quick")
    async with AsyncExitStack() as stack:
        receivers = [await stack.enter_async_context(receiving()) for _ in range(HANGING)]
        overs = [each.hang() for each in receivers]
        for each in receivers:
            await endpoint(hanging, each, at_once=200)
        await publish_many(hanging, [{}] * 200)

        async def all_hang() -> bool:
            return all(each.got for each in receivers) and await out(sending.system) >= MOST_OUT / 2

        await until(all_hang, 30, "as many hang as may")
        await publish_many(quiet, [{}] * FEW)
        await until_states(sending.system, quiet, 30, delivered=FEW)
        # An attempt is given up after fifteen seconds: none of them had ended by then.
        assert await rows(sending.system, "SELECT FROM attempts WHERE project = $1 AND ended_at IS NOT NULL", hanging.id) == []
        for over in overs:
            over.set()
        await until_states(sending.system, hanging, 60, delivered=200 * HANGING)


async def out(system: Running) -> int:
    [row] = await rows(system, "SELECT count(*) FROM deliveries WHERE lease_until IS NOT NULL")
    return int(row["count"])
