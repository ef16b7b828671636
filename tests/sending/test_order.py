"""An endpoint with `order_by` gets those of a key one after another, whatever fails and whoever is killed meanwhile.

ORDER_EVENTS=10000 pytest tests/sending/test_order.py takes more events, and kills more.
"""

import asyncio
import os
import random
from collections import Counter, defaultdict

from aiohttp import web
from running import Part, Project, until
from webhook_receiver import Received, Receiver

from sending.conftest import Sending, endpoint
from sending.in_numbers import publish_many, rows, until_states

EVENTS = int(os.environ.get("ORDER_EVENTS") or 2000)
KEYS = 100
FAILING = 0.15
# One of two workers and one of two planners each.
KILLS = max(4, EVENTS // 500)


class Lines:
    """What a receiver sees of each key, with 0, 1, 2, … in it.

    first_missing: by key, the first number that was not taken yet.   inversions: requests of a later number by then.
    """

    def __init__(self) -> None:
        self.first_missing: Counter[str] = Counter()
        self.taken: defaultdict[str, set[int]] = defaultdict(set)
        self.inversions: list[tuple[str, int, int]] = []
        self.failures = 0

    def begin(self, key: str, number: int) -> None:
        if number > self.first_missing[key]:
            self.inversions.append((key, number, self.first_missing[key]))

    def end(self, key: str, number: int) -> None:
        self.taken[key].add(number)
        while self.first_missing[key] in self.taken[key]:
            self.first_missing[key] += 1

    @property
    def count(self) -> int:
        return sum(len(numbers) for numbers in self.taken.values())

    def receive(self, receiver: Receiver) -> None:
        """Answers take a moment; a share of them is a failure."""
        chance = random.Random(EVENTS)

        async def answer(received: Received) -> web.StreamResponse:
            data = received.message["data"]["data"]
            self.begin(data["account"], data["number"])
            await asyncio.sleep(chance.uniform(0, 0.02))
            if chance.random() < FAILING:
                self.failures += 1
                return web.Response(status=500)
            self.end(data["account"], data["number"])
            return web.Response()

        receiver.answers["/hook"] = answer


async def kill_in_turn(victims: list[Part], lines: Lines) -> None:
    for turn in range(KILLS):
        await until_taken(lines, EVENTS * (turn + 1) // (KILLS + 2))
        victim = victims[turn % len(victims)]
        await victim.kill()
        await victim.start()


async def until_taken(lines: Lines, count: int) -> None:
    async def taken() -> bool:
        return lines.count >= count

    await until(taken, 60, f"{count} of {EVENTS} were taken")


async def test_no_event_of_a_key_comes_before_an_earlier_one_while_requests_fail_and_processes_are_killed(
    sending: Sending, project: Project, receiver: Receiver
) -> None:
    await endpoint(project, receiver, order_by="data.account", at_once=200, schedule=[1] * 20)
    lines = Lines()
    lines.receive(receiver)
    others = [await sending.system.another_worker(name) for name in ("deliveries", "planner")]
    killing = asyncio.create_task(kill_in_turn([sending.worker, sending.planner, *others], lines))
    await publish_many(project, [{"data": {"account": f"a{number % KEYS}", "number": number // KEYS}} for number in range(EVENTS)])
    await killing
    # What a killed worker had is taken over after its lease of ten seconds.
    await until_states(sending.system, project, 90, delivered=EVENTS)
    assert lines.inversions == []
    assert lines.count == EVENTS
    # It was as hard as it should be: requests failed, and attempts were lost.
    assert lines.failures > EVENTS * FAILING / 2
    [lost] = await rows(sending.system, "SELECT count(*) FROM attempts WHERE project = $1 AND outcome = 'lost'", project.id)
    assert lost["count"] > 0
