"""Single publishes a second, beside the same rows inserted one by one.

64 keep-alive clients post a notification to one of 1,000 people each, as fast as they are answered; the sequencer runs, and every publish
is committed to disk when it is answered. The floor, in turn with it and on the same PostgreSQL: 16 connections of bare asyncpg, each
inserting the three rows of a publish (notification, inbox item, outbox event) in one statement that is a transaction, with nobody signing
in, validating or resolving anything.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import asyncpg
from msgspec.structs import replace

from loadtests.accounting import cpu_s
from loadtests.client import Published, publish
from loadtests.figures import Figure, Form
from loadtests.ground import Running, tidings
from tidings.platform.ids import uuid7

CLIENTS = 64
CONNECTIONS = 16
PEOPLE = 1000
WARM_UP_S = 1.0
BODY = '{"to":["%%"],"title":"Your export is ready","body":"1,204 rows, 3 MB.","url":"/exports/17","data":{"export":17}}'
ROWS = """
WITH n AS (
    INSERT INTO notifications (project, id, title, body, url, data, channels, audience, recipients, recipient_ids, created_by, created_at)
    VALUES ($1, $2, 'Your export is ready', '1,204 rows, 3 MB.', '/exports/17', '{"export":17}', '{in_app}', $5, 1, ARRAY[$3::bigint],
        $7, $6)
), i AS (
    INSERT INTO inbox (project, subscriber, id) VALUES ($1, $3, $2)
)
INSERT INTO outbox (shard, project, type, notification, recipients, data, actor)
VALUES ($8, $1, 'notification.created', $2, ARRAY[$3::bigint], $4, $7)
"""
SHOWN = '{"id":"%s","title":"Your export is ready","body":"1,204 rows, 3 MB.","url":"/exports/17","data":{"export":17},"priority":"normal"}'


async def measure(form: Form, report: Callable[[str], None]) -> list[Figure]:
    seconds = form.choose(3, 20)
    own: list[Published] = []
    floor: list[float] = []
    cpu: list[float] = []
    async with tidings() as running:
        people = await people_of(running)
        await posted(running, list(people), WARM_UP_S)
        for round_ in range(form.rounds):
            before = cpu_s(running.api.pid)
            own.append(await posted(running, list(people), seconds))
            cpu.append(1e6 * (cpu_s(running.api.pid) - before) / own[-1].accepted)
            floor.append(await inserted(running, list(people.values()), seconds))
            report(
                f"round {round_ + 1}: {own[-1].rate:.0f} publishes/s, p99 {own[-1].p99_us / 1000:.0f} ms, beside {floor[-1]:.0f} inserts/s"
            )
    rates = [one.rate for one in own]
    single = Figure(measure="publish", what="64 clients, publishes", unit="1/s", rounds=rates, bound="≥", limit=2000)
    return [
        single,
        replace(single, what="the same, beside its rows one by one", peer="bare inserts", beside=floor, limit=0.3),
        Figure(measure="publish", what="the same, p99", unit="ms", rounds=[one.p99_us / 1000 for one in own]),
        Figure(measure="publish", what="the same, CPU of the API process", unit="µs", rounds=cpu),
    ]


async def people_of(running: Running) -> dict[str, int]:
    """The people who are written to, with their inner ids."""
    names = [f"person-{number}" for number in range(PEOPLE)]
    await running.call("PUT", "/v1/topics/people", {"name": "People"})
    await running.call("PUT", "/v1/topics/people/subscribers", {"add": names})
    rows = await running.database.system.fetch("SELECT external_id, id FROM subscribers WHERE project = $1", running.tenant.id)
    return {row[0]: row[1] for row in rows}


async def posted(running: Running, people: list[str], seconds: float) -> Published:
    answer = await publish(
        running.api.port, "/v1/notifications", BODY, running.headers, connections=CLIENTS, seconds=seconds, targets=people
    )
    if answer.accepted != answer.answered or answer.lost:
        raise RuntimeError(f"not every publish was accepted: {answer.statuses}, {answer.lost} lost, {answer.errors}")
    return answer


async def inserted(running: Running, people: list[int], seconds: float) -> float:
    """Publishes' rows a second. As the worker role, whose row-level security is `true`."""
    until = time.perf_counter() + seconds
    count = 0

    async def insert(connection: asyncpg.Connection, first: int) -> None:
        nonlocal count
        number = first
        while time.perf_counter() < until:
            identity, now, person = str(uuid7()), datetime.now(UTC), people[number % len(people)]
            tenant = running.tenant
            await connection.execute(ROWS, tenant.id, identity, person, SHOWN % identity, '["person-1"]', now, "key:floor", tenant.shard)
            number += CONNECTIONS
            count += 1

    connections = [
        await asyncpg.connect(running.settings.database_url, server_settings={"role": "tidings_worker"}) for _ in range(CONNECTIONS)
    ]
    began = time.perf_counter()
    try:
        await asyncio.gather(*(insert(connection, first) for first, connection in enumerate(connections)))
        return count / (time.perf_counter() - began)
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))
