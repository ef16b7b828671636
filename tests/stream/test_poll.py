"""Long polls: the same events with the same cursors as the stream."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from stream_ground import Ground
from stream_house import House

from tidings.platform.ids import uuid7

NOTHING = {"total": 0, "unseen": 0, "unread": 0}


def titles(answer: Any) -> list[str]:
    return [event["data"]["title"] for event in answer["events"] if event["event"] == "notification"]


def waits(house: House, owner: int) -> bool:
    """Whether a poll of theirs does."""
    return any(one.is_live for one in house.edge.hub.of(owner))


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
    data = {"subscriber": "alice", "ids": ["x"], "counts": NOTHING}
    await house.append("inbox.read", data, recipients=[await house.inner("alice")])

    _, answer = await house.get("/v1/stream/poll", "alice", cursor=start["cursor"], wait="10")

    updated, counts = answer["events"]
    assert (updated["event"], updated["data"]) == ("notification.updated", {"change": "read", **data})
    assert (counts["event"], counts["data"]) == ("inbox.counts", NOTHING)
    assert counts["id"] == updated["id"] == answer["cursor"]


async def test_counts_end_an_answer_and_come_with_nothing_that_is_somebody_elses(house: House) -> None:
    _, start = await house.get("/v1/stream/poll", "alice")
    await house.publish("one", "alice")
    await house.publish("two", "alice")
    await house.publish("foreign", "bob")
    await house.settled()

    _, answer = await house.get("/v1/stream/poll", "alice", cursor=start["cursor"])
    _, later = await house.get("/v1/stream/poll", "alice", cursor=answer["cursor"])

    assert [event["event"] for event in answer["events"]] == ["notification", "notification", "inbox.counts"]
    assert answer["events"][-1] == {"id": answer["cursor"], "event": "inbox.counts", "data": NOTHING}
    assert later == {"events": [], "cursor": answer["cursor"]}


@pytest.mark.parametrize("settled", ["notification.fanned_out", "notification.withdrawn"])
@pytest.mark.parametrize("is_in_the_window", [True, False], ids=["window", "log"])
async def test_counts_follow_a_large_audience_when_it_is_settled(house: House, settled: str, is_in_the_window: bool) -> None:
    topic = await house.topic("alice")
    _, start = await house.get("/v1/stream/poll", "alice")
    await house.publish("large", topics=[topic])
    await house.settled()
    _, first = await house.get("/v1/stream/poll", "alice", cursor=start["cursor"])
    await house.append(settled, {"id": str(uuid7())}, topics=[topic])
    await house.settled()
    if not is_in_the_window:
        shard = house.edge.shard(house.tenant.shard)
        shard.window.clear(shard.position)

    _, second = await house.get("/v1/stream/poll", "alice", cursor=first["cursor"])
    _, of_others = await house.get("/v1/stream/poll", "bob", cursor=first["cursor"])

    assert [event["event"] for event in first["events"]] == ["notification"]
    assert second["events"] == [{"id": second["cursor"], "event": "inbox.counts", "data": NOTHING}]
    assert of_others == {"events": [], "cursor": second["cursor"]}


async def test_a_poll_that_waits_is_told_counts_when_a_large_audience_is_settled(house: House) -> None:
    topic = await house.topic("alice")
    _, start = await house.get("/v1/stream/poll", "alice")
    owner = await house.inner("alice")
    polling = asyncio.create_task(house.get("/v1/stream/poll", "alice", cursor=start["cursor"], wait="60"))
    await house.until(lambda: waits(house, owner))

    await house.append("notification.fanned_out", {"id": str(uuid7())}, topics=[topic])

    _, answer = await asyncio.wait_for(polling, 15)
    assert [event["event"] for event in answer["events"]] == ["inbox.counts"]


async def test_an_event_for_many_pollers_has_their_counts_read_together(house: House) -> None:
    people = [f"p{number}" for number in range(30)]
    _, start = await house.get("/v1/stream/poll", "alice")
    polls = [asyncio.create_task(house.get("/v1/stream/poll", one, cursor=start["cursor"], wait="30")) for one in people]
    owners = [await house.inner(one) for one in people]
    await house.until(lambda: all(waits(house, owner) for owner in owners))
    read: list[int] = []
    load = house.edge.counts.load

    async def counted(subscribers: list[int]) -> Any:
        read.append(len(subscribers))
        return await load(subscribers)

    house.edge.counts.load = counted
    await house.publish("for all", *people)

    answers = [answer for _, answer in await asyncio.gather(*polls)]
    assert [[event["event"] for event in answer["events"]] for answer in answers] == [["notification", "inbox.counts"]] * 30
    assert sum(read) == 30
    assert len(read) < 10


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
