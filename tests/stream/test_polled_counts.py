"""Who has long polls only sees the right counts, whatever changed the inbox, and every event once."""

import asyncio
from typing import Any

import pytest
from running import Project, Running

LARGE = 1001


class Poller:
    """A browser with long polls. told: the events of the log that came, by name, with the notification they are about."""

    def __init__(self, project: Project, token: str) -> None:
        self.project = project
        self.headers = {"Authorization": f"Bearer {token}"}
        self.cursor = ""
        self.told: list[tuple[str, str]] = []

    async def poll(self, wait: int = 20) -> list[dict[str, Any]]:
        """The events of the next answer, and the poll after it goes on from there."""
        answer = await self.project.call("GET", f"/v1/stream/poll?wait={wait}&cursor={self.cursor}", **self.headers)
        self.cursor = answer["cursor"]
        events: list[dict[str, Any]] = answer["events"]
        self.told += [(event["event"], name_of(event["data"])) for event in events if event["event"] != "inbox.counts"]
        return events

    async def counts(self) -> tuple[int, int, int]:
        """(total, unseen, unread) as the next answer that has any says; nothing comes after them."""
        while True:
            events = await self.poll()
            names = [event["event"] for event in events]
            if "inbox.counts" in names:
                assert names.index("inbox.counts") == len(names) - 1, names
                told = events[-1]["data"]
                return told["total"], told["unseen"], told["unread"]

    async def mark(self, action: str, body: dict[str, Any]) -> None:
        await self.project.call("POST", f"/v1/inbox/{action}", body, **self.headers)


def name_of(data: dict[str, Any]) -> str:
    return str(data.get("id") or data["ids"][0])


async def poller_of(project: Project, subscriber: str) -> Poller:
    poller = Poller(project, await project.token(subscriber))
    await poller.poll()
    return poller


@pytest.fixture
async def alice(tidings: Running, project: Project) -> Poller:
    return await poller_of(project, "alice")


async def expire(tidings: Running, notification: str) -> None:
    # The clock is PostgreSQL's row, not ours to move: bring the expiry to now instead.
    await tidings.database.system.execute("UPDATE notifications SET expires_at = now() WHERE id = $1::uuid", notification)


async def test_counts_come_with_what_is_published_marked_retracted_and_expired(tidings: Running, project: Project, alice: Poller) -> None:
    polling = asyncio.create_task(alice.counts())
    one = await project.publish("one", ["alice"])
    assert await polling == (1, 1, 1)
    two = await project.publish("two", ["alice"], expires_at="2099-01-01T00:00:00Z")
    assert await alice.counts() == (2, 2, 2)
    another_device = Poller(project, await project.token("alice"))
    await another_device.mark("read", {"ids": [one]})
    assert await alice.counts() == (2, 1, 1)
    await expire(tidings, two)
    assert await alice.counts() == (1, 0, 0)
    await project.call("DELETE", f"/v1/notifications/{one}")
    assert await alice.counts() == (0, 0, 0)
    assert alice.told == [
        ("notification", one),
        ("notification", two),
        ("notification.updated", one),
        ("notification.retracted", two),
        ("notification.retracted", one),
    ]


async def test_what_happened_while_no_poll_was_open_is_counted_by_the_next(project: Project, alice: Poller) -> None:
    one = await project.publish("one", ["alice"])
    two = await project.publish("two", ["alice"])
    await alice.mark("read", {"ids": [one]})
    await project.call("DELETE", f"/v1/notifications/{two}")
    while ("notification.retracted", two) not in alice.told:
        counts = await alice.counts()
    assert counts == (1, 0, 0)
    assert alice.told == [("notification", one), ("notification", two), ("notification.updated", one), ("notification.retracted", two)]
    assert await alice.poll(wait=0) == []


async def test_a_large_audience_is_counted_when_its_inboxes_are_written(tidings: Running, project: Project) -> None:
    for start in range(0, LARGE, 1000):
        add = [f"p{number}" for number in range(start, min(start + 1000, LARGE))]
        await project.call("PUT", "/v1/topics/large/subscribers", {"add": add})
    poller = await poller_of(project, "p7")
    tidings.projections.stop()
    large = await project.publish("large", [{"topic": "large"}])
    small = await project.publish("small", ["p7"])
    while ("notification", small) not in poller.told:
        before = await poller.counts()
    tidings.projections.go_on()
    assert (before, await poller.counts()) == ((1, 1, 1), (2, 2, 2))

    tidings.projections.stop()
    await project.call("DELETE", f"/v1/notifications/{large}")
    assert [event["event"] for event in await poller.poll()] == ["notification.retracted"]
    tidings.projections.go_on()
    assert await poller.counts() == (1, 1, 1)
    assert poller.told == [("notification", large), ("notification", small), ("notification.retracted", large)]
