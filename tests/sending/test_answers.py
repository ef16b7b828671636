"""Answers to "does it work?" and "why did I (not) get this?"."""

from typing import Any

from running import Project
from standardwebhooks import Webhook
from webhook_receiver import Receiver

from sending.conftest import Sending, endpoint


async def test_a_test_message_is_signed_as_all_others_and_shows_the_real_answer(
    sending: Sending, project: Project, receiver: Receiver
) -> None:
    made = await endpoint(project, receiver)
    receiver.answer(418, text="I'm a teapot")
    shown = await project.call("POST", f"/v1/endpoints/{made['id']}/test")
    assert (shown["outcome"], shown["status"], shown["response"], shown["reason"]) == ("retry", 418, "I'm a teapot", "http_418")
    assert shown["latency"]["total"] > 0
    [got] = receiver.got
    assert got.id == shown["id"]
    Webhook(made["secret"]).verify(got.body, got.headers)
    assert (await project.call("GET", "/v1/deliveries"))["items"] == []


async def test_a_test_message_to_nobody_says_why_it_did_not_arrive(sending: Sending, project: Project, receiver: Receiver) -> None:
    made = await project.call("POST", "/v1/endpoints", {"url": "http://127.0.0.1:9/hook", "events": ["*"]})
    shown = await project.call("POST", f"/v1/endpoints/{made['id']}/test", {"type": "inbox.read", "data": {"ids": []}})
    assert (shown["outcome"], shown["reason"], shown["status"]) == ("retry", "not_connected", None)


async def explained(project: Project, notification: str, subscriber: str) -> dict[str, Any]:
    """Stories by channel, or by the destination's key."""
    answer = await project.call("GET", f"/v1/notifications/{notification}/explain?subscriber={subscriber}")
    return {story["destination"] or story["channel"]: story for story in answer["channels"]}


def says(story: Any) -> str:
    return " ".join(step["says"] for step in story["steps"])


async def test_why_it_was_delivered_or_not_in_each_channel(sending: Sending, project: Project, receiver: Receiver) -> None:
    good = (await endpoint(project, receiver))["id"]
    bad = (await endpoint(project, receiver, "/bad", schedule=[]))["id"]
    deaf = (await endpoint(project, receiver, "/deaf", events=["inbox.*"]))["id"]
    receiver.answer(500, "/bad")
    await project.call("PUT", "/v1/subscribers/bob", {})
    notification = await project.publish("Hello", ["alice"], channels=["in_app", "email"])
    await sending.settled(project, 2)
    stories = await explained(project, notification, "alice")
    assert {name: story["verdict"] for name, story in stories.items()} == {
        "in_app": "delivered", good: "delivered", bad: "failed", deaf: "not_sent", "email": "not_sent",
    }  # fmt: skip
    assert "alice was in the audience" in says(stories["in_app"])
    assert "http_500" in says(stories[bad])
    assert "inbox.*" in says(stories[deaf])
    assert "no integration for email" in says(stories["email"])
    of_bob = (await explained(project, notification, "bob"))["in_app"]
    assert (of_bob["verdict"], "was not in the audience" in says(of_bob)) == ("not_sent", True)


async def test_why_it_is_gone_from_the_inbox(sending: Sending, project: Project, receiver: Receiver) -> None:
    await project.call("PUT", "/v1/topics/news/subscribers", {"add": ["alice"]})
    first = await project.publish("One", [{"topic": "news"}], collapse_key="k")
    second = await project.publish("Two", [{"topic": "news"}], collapse_key="k")
    assert (await explained(project, first, "alice"))["in_app"]["steps"][-1]["step"] == "collapsed"
    await project.call("DELETE", f"/v1/notifications/{second}")
    story = (await explained(project, second, "alice"))["in_app"]
    assert (story["verdict"], story["steps"][-1]["step"]) == ("taken_back", "retracted")
    outside = await project.publish("Three", ["alice"], channels=["sms"])
    story = (await explained(project, outside, "alice"))["in_app"]
    assert (story["verdict"], story["steps"][-1]["step"]) == ("not_sent", "channel")
