"""Publishing over HTTP: accepted means kept, and twice is once."""

import asyncio
from typing import Any

import aiohttp
from running import Project, Running, until


async def inbox(project: Project, subscriber: str, query: str = "") -> Any:
    token = await project.token(subscriber)
    return await project.call("GET", f"/v1/inbox{query}", Authorization=f"Bearer {token}")


async def test_an_accepted_notification_is_in_the_inbox_when_the_answer_arrives(project: Project) -> None:
    answer = await project.call("POST", "/v1/notifications", {"to": ["alice", "bob", "alice"], "title": "Hi", "data": {"n": 1}}, expect=202)
    assert answer["recipients"] == 2
    [item] = (await inbox(project, "alice"))["items"]
    assert (item["id"], item["title"], item["data"], item["read_at"]) == (answer["id"], "Hi", {"n": 1}, None)


async def test_a_transient_notification_is_kept_out_of_the_inbox(project: Project) -> None:
    await project.publish("typing…", ["alice"], transient=True)
    await project.publish("only by mail", ["alice"], channels=["email"])
    await project.publish("kept", ["alice"])
    assert [item["title"] for item in (await inbox(project, "alice"))["items"]] == ["kept"]


async def test_a_batch_accepts_what_is_right_and_says_what_is_wrong_with_the_rest(project: Project) -> None:
    batch = [
        {"to": ["alice"], "title": "one"},
        {"to": ["alice"]},
        {"to": [{"topic": "unknown"}], "title": "three"},
        {"to": ["bob"], "title": "four"},
    ]
    results = (await project.call("POST", "/v1/notifications/batch", {"notifications": batch}, expect=202))["results"]
    assert [("id" in one, one.get("error", {}).get("field")) for one in results] == [
        (True, None),
        (False, "title"),
        (False, "to[0].topic"),
        (True, None),
    ]
    assert [item["title"] for item in (await inbox(project, "alice"))["items"]] == ["one"]


async def test_fifty_clients_with_one_idempotency_key_publish_once(project: Project) -> None:
    async with aiohttp.ClientSession(headers=project.headers) as session:

        async def send() -> tuple[int, Any]:
            body = {"to": ["alice"], "title": "once"}
            async with session.post(project.base_url + "/v1/notifications", json=body, headers={"Idempotency-Key": "order-17"}) as answer:
                return answer.status, await answer.json()

        answers = await asyncio.gather(*(send() for _ in range(50)))
        again = await send()
    accepted = {answer["id"] for status, answer in answers if status == 202}
    assert {status for status, _ in answers} <= {202, 409}
    assert len(accepted) == 1
    assert again == (202, {"id": accepted.pop(), "recipients": 1})
    assert len((await inbox(project, "alice"))["items"]) == 1


async def test_an_idempotency_key_with_another_body_is_refused(project: Project) -> None:
    header = {"Idempotency-Key": "order-18"}
    await project.call("POST", "/v1/notifications", {"to": ["alice"], "title": "one"}, **header)
    problem = await project.call("POST", "/v1/notifications", {"to": ["alice"], "title": "two"}, expect=422, **header)
    assert problem["field"] == "Idempotency-Key"


async def test_a_refused_publish_leaves_its_key_free(project: Project) -> None:
    header = {"Idempotency-Key": "order-19"}
    await project.call("POST", "/v1/notifications", {"to": [{"topic": "later"}], "title": "one"}, expect=404, **header)
    await project.call("PUT", "/v1/topics/later/subscribers", {"add": ["alice"]})
    await project.call("POST", "/v1/notifications", {"to": [{"topic": "later"}], "title": "one"}, expect=202, **header)


async def test_a_retracted_notification_leaves_the_inbox_and_the_timeline_says_so(project: Project) -> None:
    identity = await project.publish("oops", ["alice", "bob"])
    await project.call("DELETE", f"/v1/notifications/{identity}", expect=204)
    await project.call("DELETE", f"/v1/notifications/{identity}", expect=204)
    assert (await inbox(project, "alice"))["items"] == []
    detail = await project.call("GET", f"/v1/notifications/{identity}")
    assert detail["timeline"][-1]["step"] == "retracted"


async def test_the_timeline_tells_each_step(project: Project) -> None:
    identity = await project.publish("followed", ["alice", "bob"])
    token = await project.token("alice")
    await project.call("POST", "/v1/inbox/read", {"ids": [identity]}, Authorization=f"Bearer {token}")

    async def is_sequenced() -> Any:
        steps = {one["step"]: one for one in (await project.call("GET", f"/v1/notifications/{identity}"))["timeline"]}
        return steps if steps["sequenced"]["at"] else None

    steps = await until(is_sequenced)
    assert (steps["fanned_out"]["count"], steps["seen"]["count"], steps["read"]["count"]) == (2, 1, 1)


async def test_an_expired_notification_leaves_the_inbox_and_the_counts(tidings: Running, project: Project) -> None:
    identity = await project.publish("goes", ["alice"], expires_at="2099-01-01T00:00:00Z")
    # The clock is PostgreSQL's row, not ours to move: bring the expiry to now instead.
    await tidings.database.system.execute("UPDATE notifications SET expires_at = now() WHERE id = $1::uuid", identity)
    token = await project.token("alice")

    async def is_gone() -> bool:
        counts = await project.call("GET", "/v1/inbox/counts", Authorization=f"Bearer {token}")
        return bool(counts["total"] == 0)

    await until(is_gone)
    detail = await project.call("GET", f"/v1/notifications/{identity}")
    assert detail["timeline"][-1]["step"] == "expired"


async def test_new_people_are_said_to_be_created_by_the_key_that_named_them(tidings: Running, project: Project) -> None:
    secrets = [(await project.call("POST", "/v1/keys", {"name": "one", "scopes": ["notifications:write"]})) for _ in range(8)]
    await asyncio.gather(
        *(
            project.call(
                "POST", "/v1/notifications", {"to": [f"by-{made['key']}"], "title": "Hi"}, Authorization=f"Bearer {made['secret']}"
            )
            for made in secrets
        )
    )
    rows = await tidings.database.system.fetch(
        "SELECT external_id, created_by FROM subscribers WHERE project = $1 AND external_id LIKE 'by-%'", project.id
    )
    assert len(rows) == 8
    assert all(row["created_by"] == "key:" + row["external_id"].removeprefix("by-") for row in rows)


async def test_a_large_notification_that_was_live_only_is_retracted_from_open_pages(project: Project) -> None:
    for start in (0, 1000):
        await project.call("PUT", "/v1/topics/large/subscribers", {"add": [f"p{number}" for number in range(start, start + 1000)]})
    token = {"Authorization": f"Bearer {await project.token('p7')}"}
    cursor = (await project.call("GET", "/v1/stream/poll", **token))["cursor"]
    identity = await project.publish("live only", [{"topic": "large"}], transient=True)
    told: list[Any] = []
    while "notification" not in [event["event"] for event in told]:
        answer = await project.call("GET", f"/v1/stream/poll?cursor={cursor}&wait=10", **token)
        told, cursor = told + answer["events"], answer["cursor"]

    await project.call("DELETE", f"/v1/notifications/{identity}")

    answer = await project.call("GET", f"/v1/stream/poll?cursor={cursor}&wait=10", **token)
    assert [(event["event"], event["data"]["id"]) for event in answer["events"]] == [("notification.retracted", identity)]
