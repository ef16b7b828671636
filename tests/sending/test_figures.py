"""What the planner and the workers show at /metrics and /health, asked over HTTP while they run."""

import asyncio
from collections.abc import Callable

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from running import Part, Project, Running, until
from webhook_receiver import Receiver

from sending.conftest import Sending, endpoint
from tidings.platform.embedded.memory import free_port

Figures = dict[str, float]
# The planner looks every two seconds; a busy machine takes its time besides.
LOOKED_WITHIN_S = 60


class Showing:
    """A worker that listens. figures: each with its labels, as in `tidings_deliveries_due webhook`."""

    def __init__(self, part: Part, port: int) -> None:
        self.part = part
        self.url = f"http://127.0.0.1:{port}"

    async def figures(self) -> Figures:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/metrics") as answer:
            assert answer.status == 200 and answer.content_type == "text/plain"
            families = list(text_string_to_metric_families(await answer.text()))
        return {" ".join((sample.name, *sample.labels.values())): sample.value for family in families for sample in family.samples}

    async def health(self) -> tuple[int, object]:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/health") as answer:
            return answer.status, await answer.json()

    async def shows(self, holds: Callable[[Figures], bool], what: str) -> Figures:
        async def shown() -> Figures | None:
            figures = await self.figures()
            return figures if holds(figures) else None

        found: Figures = await until(shown, LOOKED_WITHIN_S, what)
        return found


async def showing(system: Running, worker: str, port: int | None = None) -> Showing:
    port = port or free_port()
    one = Showing(await system.another_worker(worker, TIDINGS_METRICS_PORT=str(port)), port)

    async def answers() -> bool:
        try:
            return (await one.health())[0] == 200
        except aiohttp.ClientError:
            return False

    await until(answers, 60, f"{worker} answers")
    return one


async def test_planner_and_worker_show_what_they_do(sending: Sending, project: Project, receiver: Receiver) -> None:
    # Only those that are asked are to do it.
    for part in (sending.planner, sending.worker):
        await part.end()
    planner, worker = await asyncio.gather(*(showing(sending.system, name) for name in ("planner", "deliveries")))
    assert await planner.health() == await worker.health() == (200, {"status": "ok"})
    before = await planner.shows(lambda shown: "tidings_planner_lag_events 0" in shown, "it has looked")

    await endpoint(project, receiver, "/good")
    await endpoint(project, receiver, "/bad", schedule=[])
    await endpoint(project, receiver, "/slow", at_once=2)
    receiver.answer(500, "/bad")
    over = receiver.hang("/slow")
    for number in range(12):
        await project.publish(f"n{number}", ["alice"])

    # Two of the slow ones are under way; ten are due and wait for their turn. The endpoint that always fails is spared.
    spared = "tidings_breakers webhook open"
    waits = {"tidings_deliveries_due webhook": 10, "tidings_deliveries_leased": 2, spared: before.get(spared, 0) + 1}
    held = await planner.shows(lambda shown: waits.items() <= shown.items(), "ten are due and two leased")
    assert held["tidings_deliveries_overdue_seconds webhook"] > 0
    assert held["tidings_deliveries_waiting_seconds webhook"] > 0
    assert held["tidings_breakers webhook closed"] >= 2
    assert len([name for name in held if name.startswith("tidings_planner_lag_events ")]) == sending.system.settings.shards
    done = await worker.figures()
    assert done["tidings_deliveries_under_way"] == 2
    assert done["tidings_delivery_attempts_total webhook delivered"] == 12
    assert done["tidings_delivery_attempts_total webhook retry"] == done["tidings_deliveries_total webhook dead"] == 12

    over.set()
    done = await worker.shows(lambda shown: shown["tidings_delivery_attempts_total webhook delivered"] == 24, "all are delivered")
    assert done["tidings_delivery_seconds_count webhook"] == done["tidings_deliveries_total webhook delivered"] == 24
    assert done["tidings_deliveries_under_way"] == 0
    ended = ("tidings_deliveries_due webhook", "tidings_deliveries_leased", "tidings_deliveries_overdue_seconds webhook")
    await planner.shows(lambda shown: all(shown[name] == 0 for name in ended), "nothing waits")
    lag = "tidings_planner_lag_events"
    await planner.shows(lambda shown: all(value == 0 for name, value in shown.items() if name.startswith(lag)), "all is planned")


async def test_the_other_workers_answer_too_and_a_port_that_is_taken_is_a_wrong_setting(tidings: Running) -> None:
    port = free_port()
    sequencer, projections = await asyncio.gather(showing(tidings, "sequencer"), showing(tidings, "projections", port))
    assert await sequencer.health() == await projections.health() == (200, {"status": "ok"})
    assert "tidings_events_sequenced_total" in await sequencer.figures()
    assert "tidings_inbox_rows_total" in await projections.figures()
    second = await tidings.another_worker("projections", TIDINGS_METRICS_PORT=str(port))
    assert await second.ended(60) == 3
    assert f"TIDINGS_METRICS_PORT={port} cannot be listened on" in tidings.log_of(second)
