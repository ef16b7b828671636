"""Wrong input gets a 4xx problem that says what was wrong and where, never a 500."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from running import Project, Running

PUBLISH = "/v1/notifications"
NESTED = b'{"to": ["a"], "title": "x", "data": {"a": ' + b"[" * 3000 + b"]" * 3000 + b"}}"


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
        (publish(expires_at="9999-12-31T23:59:59-12:00"), "expires_at"),
        (publish(to=["a/b"]), "to[0]"),
        (publish(to=["bulk"]), "to[0]"),
        (publish(category="abc\n"), "category"),
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


@pytest.mark.parametrize("body", [b"{", b"[1,", b"\xff\xfe", b'{"to": ["a"], "title": "\\ud800"}', b'{"to": ["\xff"]}', b"", NESTED])
async def test_what_is_no_json_is_malformed(project: Project, body: bytes) -> None:
    status, _ = await refused(project, "POST", PUBLISH, body)
    assert status == 400


async def test_an_unknown_topic_is_not_found(project: Project) -> None:
    status, problem = await refused(project, "POST", PUBLISH, publish(to=[{"topic": "nope"}]))
    assert (status, problem["field"]) == (404, "to[0].topic")


async def test_another_media_type_is_refused(project: Project) -> None:
    status, _ = await refused(project, "POST", PUBLISH, publish(), Content_Type="text/plain")
    assert status == 415


async def test_another_media_type_is_refused_though_no_length_is_given(project: Project) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield publish()

    headers = project.headers | {"Content-Type": "text/plain"}
    async with aiohttp.ClientSession(headers=headers) as session, session.post(project.base_url + PUBLISH, data=chunks()) as answer:
        assert answer.status == 415


async def test_one_wrong_notification_of_a_batch_stops_no_other(project: Project) -> None:
    wrong = [
        {"to": ["b"], "title": "x", "expires_at": "9999-12-31T23:59:59-12:00"},
        {"to": ["b"], "title": "x", "data": {"a": nested(900)}},
    ]
    batch = {"notifications": [{"to": ["alice"], "title": "right"}, *wrong]}
    results = (await project.call("POST", PUBLISH + "/batch", batch, expect=202))["results"]
    assert "id" in results[0]
    assert results[1]["error"]["field"] == "expires_at"


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("path", ["/nothing", "/openapi.yaml", "/v1/nothing/here"])
async def test_what_is_not_there_is_a_problem_too(project: Project, path: str) -> None:
    assert (await refused(project, "GET", path))[0] == 404


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
