"""Wrong input gets a 4xx problem that says what was wrong and where, never a 500."""

import json
from typing import Any

import aiohttp
import pytest
from running import Project, Running

PUBLISH = "/v1/notifications"


async def refused(project: Project, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    merged = project.headers | {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession() as session, session.request(method, project.base_url + path, data=body, headers=merged) as answer:
        assert answer.content_type == "application/problem+json"
        problem = await answer.json()
        assert problem["status"] == answer.status
        assert problem["detail"]
        return answer.status, problem


def publish(**fields: Any) -> bytes:
    return json.dumps({"to": ["alice"], "title": "Hi"} | fields).encode()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (publish(title=1), "title"),
        (publish(title="x" * 201), "title"),
        (publish(title=""), "title"),
        (publish(title="a\x00b"), "title"),
        (publish(body="x" * 4001), "body"),
        (publish(data={"a": "x" * 17_000}), "data"),
        (publish(data=[1]), "data"),
        (publish(to=[]), "to"),
        (publish(to="alice"), "to"),
        (publish(to=["a"] * 1001), "to"),
        (publish(to=["alice", 5]), "to[1]"),
        (publish(to=["alice", {"topic": "t", "everyone": True}]), "to[1]"),
        (publish(to=[""]), "to[0]"),
        (publish(titel="Hi"), "titel"),
        (b'{"to": ["alice"]}', "title"),
        (publish(url="javascript:alert(1)"), "url"),
        (publish(expires_at="2001-01-01T00:00:00Z"), "expires_at"),
        (publish(expires_at="tomorrow"), "expires_at"),
        (publish(channels=["pigeon"]), "channels[0]"),
        (publish(channels=[]), "channels"),
        (publish(priority="urgent"), "priority"),
        (publish(category="a b"), "category"),
        (publish(strict=True, to=["nobody-knows"]), "to[0]"),
    ],
)
async def test_a_wrong_field_is_named(project: Project, body: bytes, field: str) -> None:
    status, problem = await refused(project, "POST", PUBLISH, body)
    assert (status, problem.get("field")) == (422, field)


@pytest.mark.parametrize("body", [b"{", b"[1,", b"\xff\xfe", b'{"to": ["a"], "title": "\\ud800"}'])
async def test_what_is_no_json_is_malformed(project: Project, body: bytes) -> None:
    status, _ = await refused(project, "POST", PUBLISH, body)
    assert status == 400


async def test_an_unknown_topic_is_not_found(project: Project) -> None:
    status, problem = await refused(project, "POST", PUBLISH, publish(to=[{"topic": "nope"}]))
    assert (status, problem["field"]) == (404, "to[0].topic")


async def test_another_media_type_is_refused(project: Project) -> None:
    status, _ = await refused(project, "POST", PUBLISH, publish(), Content_Type="text/plain")
    assert status == 415


async def test_more_than_a_mebibyte_is_too_large(project: Project) -> None:
    status, _ = await refused(project, "POST", PUBLISH, b'{"x": "' + b"x" * (1024 * 1024) + b'"}')
    assert status == 413


async def test_a_batch_of_too_many_is_refused(project: Project) -> None:
    too_many = json.dumps({"notifications": [{"to": ["a"], "title": "x"}] * 1001}).encode()
    assert (await refused(project, "POST", PUBLISH + "/batch", too_many))[0] == 422
    people = [f"person-{n}" for n in range(1000)]
    too_wide = json.dumps({"notifications": [{"to": people, "title": "x"}] * 11}).encode()
    assert (await refused(project, "POST", PUBLISH + "/batch", too_wide))[0] == 422


async def test_things_of_another_project_are_not_found(tidings: Running, project: Project) -> None:
    other = await tidings.new_project()
    identity = await other.publish("theirs", ["alice"])
    for method in ("GET", "DELETE"):
        assert (await refused(project, method, f"{PUBLISH}/{identity}"))[0] == 404
    assert (await refused(project, "GET", f"{PUBLISH}/not-a-uuid"))[0] == 404


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1000", "limit=x", "after=x", "unread=maybe", "unread=true&archived=true", "category=" + "x" * 101]
)
async def test_a_wrong_query_of_the_inbox_is_refused(project: Project, query: str) -> None:
    token = await project.token("alice")
    status, problem = await refused(project, "GET", f"/v1/inbox?{query}", Authorization=f"Bearer {token}")
    assert status == 422
    assert problem["field"] in query


@pytest.mark.parametrize(
    "body", [b"{}", b'{"ids": []}', b'{"ids": ["x"]}', b'{"up_to": "x"}', b'{"ids": ["x"], "up_to": "y"}', b'{"ids": null}']
)
async def test_a_wrong_mark_is_refused(project: Project, body: bytes) -> None:
    token = await project.token("alice")
    status, _ = await refused(project, "POST", "/v1/inbox/read", body, Authorization=f"Bearer {token}")
    assert status == 422


async def test_a_credential_in_the_url_is_refused_with_an_explanation(project: Project) -> None:
    status, problem = await refused(project, "GET", f"/v1/inbox?token={await project.token('alice')}")
    assert status == 400
    assert "URL" in problem["detail"]
