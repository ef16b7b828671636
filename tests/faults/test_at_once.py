"""The same thing done at the same moment from many places: it happens once, and the figures are right."""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from faults.deployment import Deployment
from faults.history import Client
from faults.listener import Listener, Token, end_all, until

CLIENTS = 50
ITEMS = 60


class Person:
    """alice, with as many devices as she likes, each at another API process."""

    def __init__(self, deployment: Deployment, api_key: str) -> None:
        self.http = deployment.http
        self.bases = deployment.bases()
        self.key_headers = {"Authorization": f"Bearer {api_key}"}
        self.token = Token(self.http, deployment.bases, api_key, "alice")

    async def publish(self, base: str, title: str, key: str | None = None) -> tuple[int, dict[str, Any]]:
        headers = self.key_headers | ({"Idempotency-Key": key} if key is not None else {})
        body = {"to": ["alice"], "title": title, "data": {"mark": title}}
        async with self.http.post(f"{base}/v1/notifications", json=body, headers=headers) as response:
            return response.status, await response.json()

    async def ask(self, method: str, path: str, body: Any = None, device: int = 0) -> Any:
        headers = {"Authorization": f"Bearer {await self.token.get()}"}
        async with self.http.request(method, self.bases[device % 2] + path, json=body, headers=headers) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def items(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {"next": ""}
        while page["next"] is not None:
            page = await self.ask("GET", "/v1/inbox?limit=50" + (f"&after={page['next']}" if page["next"] else ""))
            found += page["items"]
        return found

    async def counts(self, device: int = 0) -> dict[str, int]:
        counts: dict[str, int] = await self.ask("GET", "/v1/inbox/counts", device=device)
        return counts


@pytest.fixture
async def alice(deployment: Deployment, api_key: str) -> Person:
    return Person(deployment, api_key)


async def test_fifty_clients_with_one_idempotency_key_make_one_notification(alice: Person) -> None:
    for turn in range(3):
        answers = await asyncio.gather(*(alice.publish(alice.bases[number % 2], "once", f"key-{turn}") for number in range(CLIENTS)))
        assert set(Counter(status for status, _ in answers)) <= {202, 409}, answers
        ids = {answer["id"] for status, answer in answers if status == 202}
        assert len(ids) == 1
        assert all("still running" in answer["detail"] for status, answer in answers if status == 409)
        status, answer = await alice.publish(alice.bases[0], "once", f"key-{turn}")
        assert (status, {answer["id"]}) == (202, ids)
        status, answer = await alice.publish(alice.bases[1], "something else", f"key-{turn}")
        assert (status, answer.get("field")) == (422, "Idempotency-Key")
        assert len(await alice.items()) == turn + 1
        assert (await alice.counts())["total"] == turn + 1


async def test_two_devices_marking_at_once_leave_right_counts_on_both(deployment: Deployment, alice: Person) -> None:
    listeners = []
    for device in range(2):
        client = Client("alice")
        listeners.append(Listener(client, alice.token, lambda device=device: [alice.bases[device]], alice.http, random.Random(1)))  # type: ignore[misc]
    tasks = [asyncio.create_task(listener.run()) for listener in listeners]
    await until(lambda: all(listener.ready.is_set() for listener in listeners), 10, "both streams")
    ids = []
    for number in range(ITEMS):
        status, answer = await alice.publish(alice.bases[0], f"item {number}")
        assert status == 202
        ids.append(answer["id"])

    async def busy(device: int) -> None:
        rng = random.Random(device)
        for _ in range(40):
            action = rng.choice(["seen", "read", "read", "unread", "archive", "unarchive"])
            body: dict[str, Any] = {"ids": rng.sample(ids, rng.randint(1, 5))}
            if rng.random() < 0.3 and action in ("seen", "read"):
                body = {"up_to": rng.choice(ids)}
            answer = await alice.ask("POST", f"/v1/inbox/{action}", body, device)
            assert min(answer["counts"].values()) >= 0

    async def publisher() -> None:
        for number in range(20):
            status, answer = await alice.publish(alice.bases[number % 2], f"more {number}")
            assert status == 202
            ids.append(answer["id"])

    await asyncio.gather(busy(0), busy(1), busy(0), busy(1), publisher())
    # One mark alone at the end: its event carries the counts that every device ends with.
    await alice.ask("POST", "/v1/inbox/unread", {"ids": [ids[0]]})
    await alice.ask("POST", "/v1/inbox/read", {"ids": [ids[0]]})
    items = await alice.items()
    counted = {
        "total": len(items),
        "unseen": sum(item["seen_at"] is None for item in items),
        "unread": sum(item["read_at"] is None for item in items),
    }
    assert [await alice.counts(0), await alice.counts(1)] == [counted, counted]
    await until(
        lambda: all("inbox.counts" in listener.kept and listener.kept["inbox.counts"][0].data == counted for listener in listeners),
        5,
        "the same counts on both devices",
    )
    unread = await alice.ask("GET", "/v1/inbox?limit=200&unread=true")
    assert len(unread["items"]) == counted["unread"]
    # And the projection is what the log says.
    before = await rows_of_inbox(deployment)
    await deployment.command("projections", "rebuild", "inbox")
    assert await rows_of_inbox(deployment) == before
    assert await alice.counts() == counted
    await end_all(tasks)


async def rows_of_inbox(deployment: Deployment) -> list[tuple[Any, ...]]:
    connection = await deployment.connect()
    try:
        rows = await connection.fetch(
            "SELECT project, subscriber, id, seen_at IS NULL, read_at IS NULL, archived_at IS NULL, apart FROM inbox ORDER BY 2, 3"
        )
        return [tuple(row) for row in rows]
    finally:
        await connection.close()
