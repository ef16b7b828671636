"""A publish is answered the same whether it is served before the framework or by it."""

import math
from typing import Any

import aiohttp
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import Project

# The framework's way: a media type with a parameter is no plain one.
BY_THE_FRAMEWORK = {"Content-Type": "application/json; charset=utf-8"}
VARYING_HEADERS = ("date", "server")
NAMED = {"X-Request-Id": "the-same"}

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2**70), st.floats(allow_nan=False), TEXT, st.just([]), st.just({})
)
NAME = st.sampled_from(
    ["alice", "bob", "a b", "", "ä", "x" * 256, {"topic": "nowhere"}, {"everyone": True}, {"topic": "a", "everyone": True}, {}]
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "to": st.one_of(st.lists(NAME, max_size=3), ODD),
    "title": st.one_of(TEXT, ODD, st.just("x" * 201)),
    "body": st.one_of(TEXT, ODD),
    "url": st.one_of(
        st.sampled_from(["/a", "https://a.b/ä", "javascript:x", "http://[", "https://[::1]/", "//x", "mailto:a@b", "/a b", "", "\t/x"]),
        TEXT,
        ODD,
    ),
    "data": st.one_of(st.dictionaries(TEXT, ODD, max_size=3), ODD, st.just({"x": "y" * 16400})),
    "category": st.one_of(st.sampled_from(["a.b", "a b", "a\n"]), ODD),
    "priority": st.one_of(st.sampled_from(["low", "normal", "urgent"]), ODD),
    "expires_at": st.one_of(
        st.sampled_from(["2999-01-01T00:00:00Z", "1999-01-01T00:00:00Z", "2999-01-01T00:00:00", "9999-12-31T23:59:59-05:00"]), ODD
    ),
    "collapse_key": st.one_of(TEXT, ODD),
    "transient": st.one_of(st.booleans(), ODD),
    "channels": st.one_of(st.lists(st.sampled_from(["in_app", "email", "fax"]), max_size=3), ODD),
    "strict": st.one_of(st.booleans(), ODD),
    "unheard_of": ODD,
}
USUAL = st.just({"to": ["alice"], "title": "hello"})
# At most two fields are out of the ordinary, or hardly any would be right.
WANTED = st.builds(
    lambda usual, odd: usual | dict(odd),
    USUAL,
    st.lists(st.sampled_from(sorted(FIELDS)).flatmap(lambda name: st.tuples(st.just(name), FIELDS[name])), max_size=2),
)
BODIES = st.one_of(
    WANTED.map(lambda one: ("", msgspec.json.encode(one))),
    st.lists(WANTED, max_size=3).map(lambda some: ("/batch", msgspec.json.encode({"notifications": some}))),
    st.tuples(
        st.sampled_from(["", "/batch"]),
        st.sampled_from(
            [
                b"",
                b"{",
                b"[]",
                b"null",
                b"\xff",
                b'{"to":["alice"],"title":"\xff"}',
                b'{"to":["alice"],"title":"a","title":"b"}',
                b"[" * 5000,
                b'{"to":["alice"],"title":"x","data":' + b'{"a":' * 2000 + b"1" + b"}" * 2001,
                b'{"to":["alice"],"title":"\\ud800"}',
                b'{"notifications":[]}',
                b'{"notifications":[{"to":["alice"],"title":"x"}],"more":1}',
                b'{"notifications":{}}',
            ]
        ),
    ),
)


def without_ids(body: bytes) -> Any:
    """The decoded body, an id given for what was accepted reduced to the fact."""
    answer = msgspec.json.decode(body)
    for one in answer.get("results", [answer]):
        if "id" in one:
            one["id"] = len(one["id"])
    return answer


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(sent=BODIES)
async def test_both_ways_answer_the_same(sent: tuple[str, bytes], project: Project) -> None:
    path, body = sent
    url = f"{project.base_url}/v1/notifications{path}"
    async with aiohttp.ClientSession(headers=project.headers | NAMED | {"Content-Type": "application/json"}) as session:
        answers = []
        for headers in ({}, BY_THE_FRAMEWORK):
            async with session.post(url, data=body, headers=headers) as answer:
                kept = {name.lower(): value for name, value in answer.headers.items() if name.lower() not in VARYING_HEADERS}
                answers.append((answer.status, kept, without_ids(await answer.read())))
    assert answers[0] == answers[1]


async def test_what_both_ways_accept_reads_the_same(project: Project) -> None:
    data = {"ä": ["\u2028", 1e300, -0.0, 2**53 + 1, None, {"deep": [[]]}], "pi": math.pi}
    body = {
        "to": ["alice"],
        "title": "Ünïcode \U0001f514",
        "body": 'line\nline "two"',
        "url": "/x?y=[1]",
        "data": data,
        "category": "a.b:c-d",
    }
    shown = []
    for headers in ({}, BY_THE_FRAMEWORK):
        answer = await project.call("POST", "/v1/notifications", body, expect=202, **headers)
        detail = await project.call("GET", f"/v1/notifications/{answer['id']}")
        shown.append({name: value for name, value in detail.items() if name not in ("id", "created_at", "timeline")})
    assert shown[0] == shown[1]
    assert shown[0]["data"] == data


async def test_whoever_may_not_publish_is_told_so_as_everywhere(project: Project) -> None:
    body = {"to": ["alice"], "title": "hello"}
    reader = (await project.call("POST", "/v1/keys", {"name": "reader", "scopes": ["notifications:read"]}, expect=201))["secret"]
    refused = {"Bearer tdk_nobody": 401, "Bearer": 401, "Basic dDp0": 401, "bearer " + reader: 403, f"Bearer {reader}": 403}
    for authorization, status in refused.items():
        problems = [
            await project.call("POST", "/v1/notifications", body, expect=status, Authorization=authorization, **headers)
            for headers in (NAMED, NAMED | BY_THE_FRAMEWORK)
        ]
        assert problems[0] == problems[1]
