"""A delivery's whole way through the schedule of 75 hours, attempt by attempt. Time passes in the ledger, not here."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from running import Project, until
from webhook_receiver import Receiver

from sending.conftest import Sending, deliveries, endpoint
from sending.in_numbers import rows

# As the specification has them: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
WAITS_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
# So long before its time nothing goes, and nobody here takes so long to look.
LAST = timedelta(minutes=1)

# All that the ledger knows of this project happened so much earlier. A lane that is never due stays so.
PASS_DELIVERIES = "UPDATE deliveries SET next_attempt_at = next_attempt_at - $2::interval WHERE project = $1 AND state = 'pending'"
PASS_LANES = """
UPDATE lanes SET due_at = due_at - $2::interval, next_slot = next_slot - $2::interval, window_at = window_at - $2::interval,
    failing_since = failing_since - $2::interval WHERE project = $1
"""


class Schedule:
    """The one delivery of a project that fails, and its time."""

    def __init__(self, sending: Sending, project: Project, key: str) -> None:
        self.sending = sending
        self.project = project
        self.key = key

    async def settled(self, attempts: int) -> Any:
        """The delivery when so many attempts have ended."""

        async def ended() -> Any:
            found = await deliveries(self.project, endpoint=self.key)
            return found[0] if found and found[0]["attempts"] == attempts else None

        return await until(ended, 20, f"{attempts} attempts have ended")

    async def attempts(self, delivery: str) -> list[Any]:
        found = (await self.project.call("GET", f"/v1/deliveries/{delivery}/attempts"))["items"]
        return sorted(found, key=lambda one: int(one["number"]))

    async def wait(self, duration: timedelta) -> None:
        system = self.sending.system
        for statement in (PASS_DELIVERIES, PASS_LANES):
            await rows(system, statement, self.project.id, duration)


def wait_of(attempt: Any) -> float:
    return (datetime.fromisoformat(attempt["next_attempt_at"]) - datetime.fromisoformat(attempt["ended_at"])).total_seconds()


class Others:
    """Another endpoint, to which everything goes well."""

    def __init__(self, project: Project, receiver: Receiver) -> None:
        self.project = project
        self.receiver = receiver

    async def deliver(self) -> None:
        """When it has got this, whoever hands out what is due has looked once more."""
        count = len(self.receiver.at("/topics")) + 1
        await self.project.call("PUT", f"/v1/topics/t{count}/subscribers", {"add": ["alice"]})
        await self.receiver.until_got(count, "/topics")

    async def are_told_of(self) -> bool:
        """Workers look each second for who wants to hear of deliveries."""
        await self.deliver()
        return bool(self.receiver.at("/told"))


async def test_ten_attempts_over_seventy_five_hours_then_it_is_dead_and_told_and_a_resend_delivers_it(
    sending: Sending, project: Project, receiver: Receiver
) -> None:
    await endpoint(project, receiver, "/told", events=["delivery.*"])
    await endpoint(project, receiver, "/topics", events=["topic.*"])
    others = Others(project, receiver)
    await until(others.are_told_of, 20, "workers know that somebody asks")
    schedule = Schedule(sending, project, (await endpoint(project, receiver))["id"])
    receiver.answer(500)
    await project.publish("Hello", ["alice"])
    for number, wait_s in enumerate(WAITS_S, start=1):
        delivery = await schedule.settled(number)
        assert (delivery["state"], delivery["reason"]) == ("pending", "http_500")
        attempt = (await schedule.attempts(delivery["id"]))[-1]
        assert delivery["next_attempt_at"] == attempt["next_attempt_at"]
        # A fifth shorter or longer.
        assert wait_of(attempt) == pytest.approx(wait_s, rel=0.201)
        left = timedelta(seconds=wait_of(attempt))
        if left > LAST:
            await schedule.wait(left - LAST)
            await others.deliver()
            assert len(receiver.at("/hook")) == number
            left = LAST
        await schedule.wait(left)
    dead = await schedule.settled(10)
    assert (dead["state"], dead["next_attempt_at"]) == ("dead", None)
    attempts = await schedule.attempts(dead["id"])
    assert [one["status"] for one in attempts] == [500] * 10
    assert sum(wait_of(one) for one in attempts[:-1]) == pytest.approx(75.5 * 3600, rel=0.2)
    await until(lambda: told_of(receiver, dead["id"]), 20, "its end is told")

    receiver.answer(200)
    await project.call("POST", f"/v1/deliveries/{dead['id']}/resend")
    again = await schedule.settled(11)
    assert again["state"] == "delivered"
    assert [one.id for one in receiver.at("/hook")] == [dead["id"]] * 11
    assert len({one.body for one in receiver.at("/hook")}) == 1


async def told_of(receiver: Receiver, delivery: str) -> bool:
    told = [one.message for one in receiver.at("/told") if one.message["data"]["id"] == delivery]
    return [(one["type"], one["data"]["attempts"], one["data"]["status"]) for one in told] == [("delivery.dead", 10, 500)]
