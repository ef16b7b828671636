"""Long polls: the same events with the same cursors as the stream."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from stream_ground import Ground
from stream_house import House


def titles(answer: Any) -> list[str]:
    return [event["data"]["title"] for event in answer["events"]]


async def test_without_a_cursor_the_current_one_is_answered_at_once(house: House) -> None:
    assert await house.get("/v1/stream/poll", "alice", wait="60") == (
        200,
        {"events": [], "cursor": str(house.edge.position(house.tenant.shard))},
    )


async def test_polling_on_from_each_cursor_gives_every_event_once(house: House) -> None:
    _, answer = await house.get("/v1/stream/poll", "alice")
    seen: list[str] = []
    for round in range(3):
        for number in range(5):
            await house.publish(f"{round}.{number}", "alice")
            await house.publish("foreign", "bob")
        while len(seen) < 5 * (round + 1):
            _, answer = await house.get("/v1/stream/poll", "alice", cursor=answer["cursor"], wait="10")
            seen += titles(answer)

    assert seen == [f"{round}.{number}" for round in range(3) for number in range(5)]


async def test_a_poll_waits_for_an_event_of_its_own_and_the_cursor_passes_foreign_ones(house: House) -> None:
    _, start = await house.get("/v1/stream/poll", "alice")
    owner = await house.inner("alice")
    polling = asyncio.create_task(house.get("/v1/stream/poll", "alice", cursor=start["cursor"], wait="30"))
    await house.until(lambda: house.edge.hub.of(owner))
    await house.publish("foreign", "bob")
    await house.settled()
    assert not polling.done()
    await house.publish("mine", "alice")
    _, answer = await polling

    assert titles(answer) == ["mine"]
    assert answer["cursor"] == answer["events"][0]["id"]
    await house.publish("foreign again", "bob")
    await house.settled()
    _, later = await house.get("/v1/stream/poll", "alice", cursor=answer["cursor"])
    assert (later["events"], later["cursor"]) == ([], str(house.edge.position(house.tenant.shard)))
    assert not house.edge.hub.of(owner)


async def test_a_poll_hears_of_a_topic_joined_while_it_waits(house: House) -> None:
    topic = await house.topic()
    _, start = await house.get("/v1/stream/poll", "alice")
    owner = await house.inner("alice")
    polling = asyncio.create_task(house.get("/v1/stream/poll", "alice", cursor=start["cursor"], wait="30"))
    await house.until(lambda: house.edge.hub.of(owner))

    await house.change_topic(topic, add=("alice",))
    await house.publish("hello", topics=[topic])

    assert titles((await polling)[1]) == ["hello"]


async def test_another_epoch_is_answered_with_a_reset(house: House) -> None:
    status, answer = await house.get("/v1/stream/poll", "alice", cursor="zzzzzzzz.1", wait="5")

    assert status == 200
    assert [(event["event"], event["data"]["reason"]) for event in answer["events"]] == [("reset", "epoch")]
    assert answer["cursor"] == str(house.edge.position(house.tenant.shard))


async def test_a_cursor_of_the_future_is_refused(house: House) -> None:
    here = house.edge.position(house.tenant.shard)

    status, _ = await house.get("/v1/stream/poll", "alice", cursor=f"{here.epoch}.{here.position + 9}")

    assert status == 400


async def test_a_revocation_ends_a_waiting_poll(house: House) -> None:
    _, start = await house.get("/v1/stream/poll", "alice")
    owner = await house.inner("alice")
    polling = asyncio.create_task(house.get("/v1/stream/poll", "alice", cursor=start["cursor"], wait="30"))
    await house.until(lambda: house.edge.hub.of(owner))

    await house.append(
        "subscriber.tokens_revoked", {"subscriber": "alice", "valid_after": datetime.now(UTC).isoformat()}, recipients=[owner]
    )

    assert (await polling)[0] == 401


async def test_a_drain_answers_waiting_polls(ground: Ground, stack: AsyncExitStack) -> None:
    house = await ground.open(stack)
    _, start = await house.get("/v1/stream/poll", "alice")
    owner = await house.inner("alice")
    polling = asyncio.create_task(house.get("/v1/stream/poll", "alice", cursor=start["cursor"], wait="30"))
    await house.until(lambda: house.edge.hub.of(owner))

    await house.edge.drain()

    assert await polling == (200, {"events": [], "cursor": start["cursor"]})


async def test_a_read_on_one_device_is_told_to_the_others_with_the_counts(house: House) -> None:
    _, start = await house.get("/v1/stream/poll", "alice")
    data = {"subscriber": "alice", "ids": ["x"], "counts": {"total": 3, "unseen": 1, "unread": 2}}
    await house.append("inbox.read", data, recipients=[await house.inner("alice")])

    _, answer = await house.get("/v1/stream/poll", "alice", cursor=start["cursor"], wait="10")

    counts, updated = answer["events"]
    assert (counts["event"], counts["data"]) == ("inbox.counts", {"total": 3, "unseen": 1, "unread": 2})
    assert (updated["event"], updated["data"]) == ("notification.updated", {"change": "read", **data})
    assert counts["id"] == updated["id"] == answer["cursor"]


async def test_a_device_never_goes_back(house: House) -> None:
    start = house.edge.position(house.tenant.shard)
    await house.publish("one", "alice")
    await house.settled()
    end = house.edge.position(house.tenant.shard)
    token = await house.token("alice")

    await house.post("/v1/stream/ack", token, {"device": "phone", "received": str(end)})
    status, answer = await house.post("/v1/stream/ack", token, {"device": "phone", "received": str(start), "seen": str(start)})

    assert (status, answer) == (200, {"device": "phone", "received": str(end), "seen": str(start)})
    future = f"{end.epoch}.{end.position + 5}"
    assert (await house.post("/v1/stream/ack", token, {"device": "phone", "received": future}))[0] == 400
    assert (await house.post("/v1/stream/ack", token, {"device": "phone", "received": "zzzzzzzz.1"}))[0] == 410
