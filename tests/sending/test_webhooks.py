"""A webhook's way: from the publish to the receiver, through the ledger."""

import asyncio
import base64
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from running import Project, until
from standardwebhooks import Webhook
from webhook_receiver import Receiver

from sending.conftest import Sending, deliveries, endpoint


async def test_a_published_notification_reaches_the_endpoint_signed(sending: Sending, project: Project, receiver: Receiver) -> None:
    made = await endpoint(project, receiver)
    identity = await project.publish("Hello", ["alice", "bob"])
    [got] = await receiver.until_got(1)
    message = Webhook(made["secret"]).verify(got.body, got.headers)
    assert message["type"] == "notification.created"
    assert (message["data"]["id"], message["data"]["title"], message["data"]["recipients"]) == (identity, "Hello", 2)
    [delivery] = await sending.settled(project, 1)
    assert (delivery["id"], delivery["state"], delivery["attempts"], delivery["notification"]) == (got.id, "delivered", 1, identity)
    [attempt] = (await project.call("GET", f"/v1/deliveries/{got.id}/attempts"))["items"]
    assert (attempt["outcome"], attempt["status"], attempt["number"]) == ("delivered", 200, 1)
    assert attempt["latency"]["total"] > 0


async def test_v1a_is_verified_with_the_public_key(sending: Sending, project: Project, receiver: Receiver) -> None:
    made = await endpoint(project, receiver, signature="v1a")
    await project.publish("Hello", ["alice"])
    [got] = await receiver.until_got(1)
    version, _, signed = got.headers["webhook-signature"].partition(",")
    assert version == "v1a"
    content = f"{got.id}.{got.headers['webhook-timestamp']}.".encode() + got.body
    Ed25519PublicKey.from_public_bytes(base64.b64decode(made["public_key"].removeprefix("whpk_"))).verify(base64.b64decode(signed), content)


async def test_one_webhook_for_a_notification_to_many(sending: Sending, project: Project, receiver: Receiver) -> None:
    await endpoint(project, receiver)
    people = [f"p{number}" for number in range(500)]
    await project.publish("To many", list(people))
    await project.publish("To one", ["p1"])
    got = await receiver.until_got(2)
    assert sorted((one.title, one.message["data"]["recipients"]) for one in got) == [("To many", 500), ("To one", 1)]


async def test_an_endpoint_gets_what_its_filter_names_and_nothing_else(sending: Sending, project: Project, receiver: Receiver) -> None:
    await endpoint(project, receiver, "/all", events=["*"])
    await endpoint(project, receiver, "/marks", events=["inbox.*"])
    identity = await project.publish("Hello", ["alice"])
    token = await project.token("alice")
    await project.call("POST", "/v1/inbox/read", {"ids": [identity]}, Authorization=f"Bearer {token}")
    await project.call("DELETE", f"/v1/notifications/{identity}")
    [mark] = await receiver.until_got(1, "/marks")
    assert (mark.message["type"], mark.message["data"]["subscriber"], mark.message["data"]["ids"]) == ("inbox.read", "alice", [identity])
    await receiver.until_got(3, "/all")
    await sending.settled(project, 4)
    assert sorted(one.message["type"] for one in receiver.at("/all")) == ["inbox.read", "notification.created", "notification.retracted"]


async def test_clicks_are_told_once_for_each_item(sending: Sending, project: Project, receiver: Receiver) -> None:
    await endpoint(project, receiver, events=["inbox.clicked"])
    first, second = [await project.publish(title, ["alice"]) for title in ("first", "second")]
    token = await project.token("alice")
    for ids in ([first], [first], [first, second]):
        await project.call("POST", "/v1/inbox/clicked", {"ids": ids}, Authorization=f"Bearer {token}")
    got = await receiver.until_got(2)
    await sending.settled(project, 2)
    assert [(one.message["type"], one.message["data"]["subscriber"]) for one in got] == [("inbox.clicked", "alice")] * 2
    assert sorted(one.message["data"]["ids"] for one in got) == sorted([[first], [second]])


async def test_a_failed_attempt_is_made_again_with_the_same_id(sending: Sending, project: Project, receiver: Receiver) -> None:
    await endpoint(project, receiver, schedule=[1, 1, 1])
    receiver.answer_in_turn(500, 302)
    await project.publish("Hello", ["alice"])
    got = await receiver.until_got(3)
    assert len({one.id for one in got}) == 1
    assert len({one.body for one in got}) == 1
    [delivery] = await sending.settled(project, 1)
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 3)
    attempts = (await project.call("GET", f"/v1/deliveries/{delivery['id']}/attempts"))["items"]
    assert [(one["outcome"], one["status"]) for one in sorted(attempts, key=lambda one: one["number"])] == [
        ("retry", 500),
        ("retry", 302),
        ("delivered", 200),
    ]


async def test_after_the_last_attempt_it_is_dead_and_a_resend_begins_anew(sending: Sending, project: Project, receiver: Receiver) -> None:
    await endpoint(project, receiver, schedule=[1])
    receiver.answer(500, text="it broke")
    await project.publish("Hello", ["alice"])
    [delivery] = await sending.settled(project, 1)
    assert (delivery["state"], delivery["attempts"], delivery["reason"]) == ("dead", 2, "http_500")
    receiver.answer(200)
    await project.call("POST", f"/v1/deliveries/{delivery['id']}/resend")
    await receiver.until_got(3)
    [again] = await sending.settled(project, 1)
    assert (again["state"], again["attempts"]) == ("delivered", 3)
    assert {one.id for one in receiver.got} == {delivery["id"]}
    attempts = (await project.call("GET", f"/v1/deliveries/{delivery['id']}/attempts"))["items"]
    assert {one["response"] for one in attempts if one["status"] == 500} == {"it broke"}


async def test_410_ends_it_and_disables_the_endpoint(sending: Sending, project: Project, receiver: Receiver) -> None:
    made = await endpoint(project, receiver)
    receiver.answer(410)
    await project.publish("Hello", ["alice"])
    [delivery] = await sending.settled(project, 1)
    assert (delivery["state"], delivery["attempts"]) == ("dead", 1)

    async def disabled() -> bool:
        shown = await project.call("GET", f"/v1/endpoints/{made['id']}")
        return bool(shown["disabled_as"] == "gone")

    await until(disabled, 10, "the endpoint is disabled")


async def test_what_comes_while_it_is_disabled_is_held_and_sent_by_the_backfill(
    sending: Sending, project: Project, receiver: Receiver
) -> None:
    made = await endpoint(project, receiver)
    await project.call("POST", f"/v1/endpoints/{made['id']}/disable")
    for number in range(5):
        await project.publish(f"n{number}", ["alice"])
    held = await sending.settled(project, 5)
    assert {item["state"] for item in held} == {"held"}
    enabled = await project.call("POST", f"/v1/endpoints/{made['id']}/enable", {"backfill": True})
    got = await receiver.until_got(5)
    assert enabled["held"] == 5
    assert {one.id for one in got} == {item["id"] for item in held}
    assert {item["state"] for item in await sending.settled(project, 5)} == {"delivered"}


async def test_a_replay_sends_the_dead_again_with_their_ids(sending: Sending, project: Project, receiver: Receiver) -> None:
    made = await endpoint(project, receiver, schedule=[])
    receiver.answer(500)
    for number in range(8):
        await project.publish(f"n{number}", ["alice"])
    dead = await sending.settled(project, 8)
    assert {item["state"] for item in dead} == {"dead"}
    receiver.answer(200)
    since = min(item["accepted_at"] for item in dead)
    begun = await project.call("POST", "/v1/deliveries/replay", {"endpoint": made["id"], "since": since, "state": "dead"})

    async def done() -> bool:
        return bool((await project.call("GET", f"/v1/replays/{begun['id']}"))["state"] == "done")

    await until(done, 20, "the replay is done")
    assert {item["state"] for item in await sending.settled(project, 8)} == {"delivered"}
    assert {one.id for one in receiver.got} == {item["id"] for item in dead}


async def test_those_of_one_key_go_one_after_another_whatever_fails(sending: Sending, project: Project, receiver: Receiver) -> None:
    await endpoint(project, receiver, order_by="data.account", schedule=[1, 1, 1, 1, 1])
    receiver.answer_in_turn(500, 200, 500, 500, 200)
    for number in range(12):
        await project.publish(f"{number:02}", ["alice"], data={"account": number % 2})
    await sending.settled(project, 12)
    for account in (0, 1):
        titles = [one.title for one in receiver.got if one.message["data"]["data"]["account"] == account]
        # Each again until it is taken, and only then the next.
        assert titles == sorted(titles)


async def test_what_deliveries_came_to_is_told_to_who_asks_for_it(sending: Sending, project: Project, receiver: Receiver) -> None:
    await endpoint(project, receiver, "/good")
    await endpoint(project, receiver, "/bad", schedule=[])
    await endpoint(project, receiver, "/told", events=["delivery.*"])
    receiver.answer(400, "/bad")
    # Workers learn within a second or two that somebody asks.
    numbers = iter(range(100))

    async def both_told() -> bool:
        await project.publish(f"n{next(numbers)}", ["alice"])
        await asyncio.sleep(0.2)
        return {one.message["type"] for one in receiver.at("/told")} == {"delivery.delivered", "delivery.dead"}

    await until(both_told, 20, "both kinds are told")
    told = [one.message["data"] for one in receiver.at("/told")]
    known = {item["id"]: item for item in await deliveries(project)}
    assert all(known[data["id"]]["type"] == "notification.created" for data in told)


async def test_headers_of_ones_own_are_sent_and_never_shown(sending: Sending, project: Project, receiver: Receiver) -> None:
    made = await endpoint(project, receiver, headers={"X-Api-Key": "canary-7f3a"})
    await project.publish("Hello", ["alice"])
    [got] = await receiver.until_got(1)
    assert got.headers["X-Api-Key"] == "canary-7f3a"
    shown = [made, await project.call("GET", f"/v1/endpoints/{made['id']}"), await project.call("GET", "/v1/events?after=0")]
    assert "canary-7f3a" not in json.dumps(shown)
    assert all("canary-7f3a" not in sending.system.log_of(part) for part in (sending.planner, sending.worker, sending.system.api))
