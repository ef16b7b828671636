"""Streams resume exactly, or say so."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from stream_ground import Ground
from stream_house import House

from tidings.events.cursor import new_epoch


async def test_what_is_published_arrives_at_those_it_concerns_and_at_nobody_else(house: House) -> None:
    alice, bob = await house.listen("alice"), await house.listen("bob")
    topic = await house.topic("bob")
    await house.settled()

    await house.publish("to alice", "alice")
    await house.publish("to the topic", topics=[topic])
    await house.publish("to all", everyone=True)

    assert await alice.titles(2) == ["to alice", "to all"]
    assert await bob.titles(2) == ["to the topic", "to all"]


async def test_an_audience_named_twice_hears_once(house: House) -> None:
    topic = await house.topic("alice")
    alice = await house.listen("alice")

    await house.publish("once", "alice", topics=[topic], everyone=True)
    await house.publish("end", "alice")

    assert await alice.titles(2) == ["once", "end"]


async def test_a_stream_resumes_from_the_hot_window(house: House) -> None:
    alice = await house.listen("alice")
    await house.publish("before", "alice")
    await alice.titles(1)
    alice.drop()

    for number in range(30):
        await house.publish(f"missed {number}", "alice")
        await house.publish("foreign", "bob")
    await house.settled()
    again = await house.listen("alice", alice.last_id)
    await house.publish("live", "alice")

    assert again.ready["cursor"] == alice.last_id
    assert await again.titles(31) == [f"missed {number}" for number in range(30)] + ["live"]


async def test_a_stream_resumes_from_the_log_without_what_was_live_only(ground: Ground, stack: AsyncExitStack, way: Any) -> None:
    house = await ground.open(stack, way, hot_window_events=10)
    alice = await house.listen("alice")
    alice.drop()
    await house.publish("transient", "alice", transient=True)
    for number in range(40):
        await house.publish(str(number), "alice")
    await house.settled()

    again = await house.listen("alice", alice.ready["cursor"])

    assert await again.titles(40) == [str(number) for number in range(40)]


async def test_events_that_arrive_during_a_replay_come_after_it_in_order(house: House) -> None:
    cursor = (await house.listen("alice")).ready["cursor"]
    for number in range(20):
        await house.publish(str(number), "alice")

    async def publish_more() -> None:
        for number in range(20, 60):
            await house.publish(str(number), "alice")

    publishing = asyncio.create_task(publish_more())
    streams = [await house.listen("alice", cursor) for _ in range(8)]
    await publishing

    for stream in streams:
        assert await stream.titles(60) == [str(number) for number in range(60)]


async def test_a_member_replays_exactly_the_time_of_the_membership(house: House) -> None:
    topic = await house.topic()
    cursor = (await house.listen("alice")).ready["cursor"]
    await house.publish("before", topics=[topic])
    await house.change_topic(topic, add=("alice",))
    await house.publish("during", topics=[topic])
    await house.change_topic(topic, remove=("alice",))
    await house.publish("after", topics=[topic])
    await house.change_topic(topic, add=("alice",))
    await house.publish("again", topics=[topic])
    await house.settled()

    stream = await house.listen("alice", cursor)

    assert await stream.titles(2) == ["during", "again"]


async def test_joining_and_leaving_a_topic_takes_effect_on_open_streams(house: House) -> None:
    topic = await house.topic()
    alice = await house.listen("alice")

    await house.publish("before", topics=[topic])
    await house.change_topic(topic, add=("alice",))
    await house.publish("during", topics=[topic])
    await house.change_topic(topic, remove=("alice",))
    await house.publish("after", topics=[topic])
    await house.publish("end", "alice")

    assert await alice.titles(2) == ["during", "end"]


async def test_a_cursor_of_another_epoch_is_told_to_start_over_and_goes_on_live(house: House) -> None:
    stream = await house.listen("alice", "zzzzzzzz.17")
    told = await stream.next()
    await house.publish("live", "alice")

    assert (told.event, told.data["reason"]) == ("reset", "epoch")
    assert told.id == told.data["cursor"] == stream.ready["cursor"]
    assert await stream.titles(1) == ["live"]


async def test_a_cursor_too_far_behind_is_told_so(ground: Ground, stack: AsyncExitStack) -> None:
    house = await ground.open(stack, hot_window_events=10, replay_limit=20)
    cursor = (await house.listen("alice")).ready["cursor"]
    for number in range(40):
        await house.publish(str(number), "alice")
    await house.settled()

    assert (await (await house.listen("alice", cursor)).next()).data["reason"] == "too_far_behind"


async def test_the_header_wins_over_the_cursor_in_the_url(house: House) -> None:
    first = (await house.listen("alice")).ready["cursor"]
    await house.publish("one", "alice")
    await house.settled()
    second = str(house.edge.position(house.tenant.shard))
    token = await house.token("alice")

    stream = await house.listen_with({"Authorization": f"Bearer {token}", "Last-Event-ID": second}, {"cursor": first})

    assert stream.ready["cursor"] == second


async def test_a_bad_cursor_says_what_one_looks_like(house: House) -> None:
    status, problem = await house.get("/v1/stream", "alice", cursor="yesterday")

    assert (status, problem["field"]) == (400, "cursor")
    assert "k3v9x2ab.1042" in problem["detail"]


async def test_a_cursor_of_the_future_is_refused(house: House) -> None:
    here = house.edge.position(house.tenant.shard)

    status, problem = await house.get("/v1/stream", "alice", cursor=f"{here.epoch}.{here.position + 1000}")

    assert status == 400
    assert "future" in problem["detail"]


async def test_a_process_that_lags_waits_for_a_cursor_another_one_gave(ground: Ground, stack: AsyncExitStack, way: Any) -> None:
    house = await ground.open(stack, way)
    shard = house.edge.shard(house.tenant.shard)
    async with shard.appending:  # what arrives cannot be taken in
        await house.publish("elsewhere", "alice")
        head = None
        while head is None or head <= shard.position:
            head = await house.database.system.fetchval("SELECT head FROM shards WHERE shard = $1", shard.number)
        opening = asyncio.create_task(house.listen("alice", f"{shard.epoch}.{head}"))
        await house.until(lambda: house.edge.hub.joining)
    stream = await opening
    await house.publish("next", "alice")

    assert await stream.titles(1) == ["next"]


async def test_another_history_ends_streams_with_a_reset(ground: Ground, stack: AsyncExitStack, way: Any) -> None:
    house = await ground.open(stack, way)
    alice = await house.listen("alice")
    shard = house.edge.shard(house.tenant.shard)

    epoch = new_epoch()
    await house.database.system.execute("UPDATE shards SET epoch = $2, term = term + 1 WHERE shard = $1", shard.number, epoch)

    (told,) = await alice.end()
    assert (told.event, told.data["reason"]) == ("reset", "epoch")
    assert told.id is not None
    assert told.id.startswith(f"{epoch}.")
    await house.publish("in the new one", "alice")
    assert await (await house.listen("alice", told.id)).titles(1) == ["in the new one"]


async def test_an_event_that_cannot_be_read_holds_up_nobody(house: House) -> None:
    alice = await house.listen("alice")

    await house.append("topic.members", {}, internal={"topic": "no number"})
    await house.append("inbox.read", {"counts": []}, recipients=[await house.inner("alice")])
    await house.append("subscriber.tokens_revoked", {"valid_after": "never"}, recipients=[await house.inner("bob")])
    await house.publish("after", "alice")

    while (await alice.next()).data.get("title") != "after":  # within a bound
        pass
