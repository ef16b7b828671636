"""A project's flags over HTTP."""

import asyncio
from typing import Any

import pytest
from in_process import Api

ROLLOUT = {
    "variants": {"old": "v1", "new": "v2"},
    "off": "old",
    "rules": [{"when": [{"attribute": "plan", "is": "equals", "value": "pro"}], "serve": "new"}],
    "serve": {"weights": {"new": 25, "old": 75}},
}


async def explained(api: Api, flag: str, **context: Any) -> Any:
    return await api.ok("POST", f"/v1/flags/{flag}/evaluate", {"context": context})


async def test_a_flag_is_made_changed_explained_and_taken_away_with_its_history(api: Api) -> None:
    made = await api.ok("PUT", "/v1/flags/editor", ROLLOUT | {"reason": "a first try"})
    assert (made["version"], made["reason"]) == (1, "a first try") and made["changed_by"].startswith("key:key_")
    found = await explained(api, "editor", targetingKey="alice", plan="pro")
    assert {name: found[name] for name in ("value", "variant", "reason", "rule", "version")} == {
        "value": "v2", "variant": "new", "reason": "TARGETING_MATCH", "rule": 0, "version": 1,
    }  # fmt: skip
    split = await explained(api, "editor", targetingKey="alice")
    assert split["reason"] == "SPLIT" and split["variant"] == ("new" if split["bucket"] < 25 else "old")
    assert await explained(api, "editor", targetingKey="alice") == split
    assert (await explained(api, "editor"))["errorCode"] == "TARGETING_KEY_MISSING"

    await api.ok("PUT", "/v1/flags/editor", ROLLOUT | {"enabled": False})
    killed = await explained(api, "editor", targetingKey="alice", plan="pro")
    assert (killed["value"], killed["reason"]) == ("v1", "DISABLED")

    await api.ok("DELETE", "/v1/flags/editor?reason=done")
    assert (await api("GET", "/v1/flags/editor")).status_code == 404
    assert (await api("POST", "/v1/flags/editor/evaluate", {})).status_code == 404
    steps = (await api.ok("GET", "/v1/flags/editor/history"))["items"]
    assert [(step["version"], step["before"] is None, step["after"] is None, step["reason"]) for step in steps] == [
        (3, False, True, "done"),
        (2, False, False, None),
        (1, True, False, "a first try"),
    ]
    assert steps[0]["before"] == steps[1]["after"] and steps[1]["before"] == steps[2]["after"] == made["definition"]
    assert [event.type for event in await api.outbox() if event.type.startswith("flag.")] == ["flag.changed"] * 3
    # Made again, it goes on where it ended.
    assert (await api.ok("PUT", "/v1/flags/editor", {}))["version"] == 4


async def test_what_changes_nothing_is_no_change(api: Api) -> None:
    first = await api.ok("PUT", "/v1/flags/editor", ROLLOUT)
    assert await api.ok("PUT", "/v1/flags/editor", ROLLOUT) == first
    # Another order of shares moves people, though to Python the two are equal.
    turned = ROLLOUT | {"serve": {"weights": {"old": 75, "new": 25}}}
    assert (await api.ok("PUT", "/v1/flags/editor", turned))["version"] == 2


async def test_lists_and_histories_come_in_pages(api: Api) -> None:
    for number in range(3):
        await api.ok("PUT", f"/v1/flags/f{number}", {})
        await api.ok("PUT", "/v1/flags/f0", {"reason": f"round {number}"})
    first = await api.ok("GET", "/v1/flags?limit=2")
    rest = await api.ok("GET", f"/v1/flags?limit=2&after={first['next']}")
    assert [flag["key"] for flag in first["items"] + rest["items"]] == ["f0", "f1", "f2"] and rest["next"] is None
    first = await api.ok("GET", "/v1/flags/f0/history?limit=3")
    rest = await api.ok("GET", f"/v1/flags/f0/history?limit=3&after={first['next']}")
    assert [step["version"] for step in first["items"] + rest["items"]] == [4, 3, 2, 1] and rest["next"] is None
    assert await api.ok("GET", "/v1/flags/f0/history?after=1") == {"items": [], "next": None}
    # Across the pages too, each step knows what was before it.
    assert first["items"][-1]["before"] == rest["items"][0]["after"]


async def test_of_two_who_change_one_version_one_learns_of_the_other(api: Api) -> None:
    made = await api.ok("PUT", "/v1/flags/editor", {})
    bodies = [{"version": made["version"], "reason": name, "description": name} for name in ("ada", "bob", "cyd")]
    answers = await asyncio.gather(*(api("PUT", "/v1/flags/editor", body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert {answer.json()["version"] for answer in answers} == {2}
    assert (await api("PUT", "/v1/flags/editor", {"version": 0})).status_code == 409
    assert (await api("DELETE", "/v1/flags/editor?version=1")).status_code == 409
    assert (await api.ok("PUT", "/v1/flags/fresh", {"version": 0}))["version"] == 1


async def test_without_a_version_all_changes_stand_in_the_history(api: Api) -> None:
    names = [f"operator {number}" for number in range(8)]
    await asyncio.gather(*(api.ok("PUT", "/v1/flags/editor", {"description": name}) for name in names))
    steps = (await api.ok("GET", "/v1/flags/editor/history"))["items"]
    assert [step["version"] for step in steps] == list(range(8, 0, -1))
    assert sorted(step["after"]["description"] for step in steps) == names
    assert [step["before"] for step in steps[:-1]] == [step["after"] for step in steps[1:]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"enabled": "yes"}, "enabled"),
        ({"color": 1}, "color"),
        ({"variants": {}}, "variants"),
        ({"variants": {"on": True, "off": 0}}, "variants.off"),
        ({"off": "gone"}, "off"),
        ({"serve": "gone"}, "serve"),
        ({"serve": {"weights": {"on": -1}}}, "serve.weights.on"),
        ({"serve": {"weights": {"on": 0}}}, "serve.weights"),
        ({"serve": {"weights": {"gone": 1}}}, "serve.weights.gone"),
        ({"rules": [{"when": [], "serve": "on"}]}, "rules[0].when"),
        ({"rules": [{"when": [{"is": "equals", "attribute": "x", "value": 1}], "serve": "gone"}]}, "rules[0].serve"),
        ({"rules": [{"when": [{"is": "like", "attribute": "x", "value": 1}], "serve": "on"}]}, "rules[0].when[0].is"),
        ({"rules": [{"when": [{"is": "number", "attribute": "x", "op": "~", "value": 1}], "serve": "on"}]}, "rules[0].when[0].op"),
        ({"rules": [{"when": [{"is": "number", "attribute": "x", "op": "<", "value": "many"}], "serve": "on"}]}, "rules[0].when[0].value"),
        ({"rules": [{"when": [{"is": "semver", "attribute": "x", "op": "<", "value": "1"}], "serve": "on"}]}, "rules[0].when[0].value"),
        ({"reason": ""}, "reason"),
        ({"version": -1}, "version"),
    ],
)
async def test_what_is_wrong_is_refused_by_its_name(api: Api, body: dict[str, Any], field: str) -> None:
    answer = await api("PUT", "/v1/flags/editor", body)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert (await api("GET", "/v1/flags/editor")).status_code == 404


async def test_a_flag_that_is_too_large_and_one_too_many_are_refused(api: Api) -> None:
    answer = await api("PUT", "/v1/flags/editor", {"variants": {"on": "x" * 70_000, "off": ""}})
    assert answer.status_code == 422, answer.text
    await api.database.system.execute(
        """INSERT INTO flag_changes (project, key, version, definition, actor)
        SELECT $1, 'f' || n, 1, '{}', 'test' FROM generate_series(1, 1000) AS n""",
        api.tenant.id,
    )
    assert (await api("PUT", "/v1/flags/editor", {})).status_code == 409
    assert (await api("PUT", "/v1/flags/f1", {"enabled": False})).status_code == 200


async def test_a_key_needs_the_scope(api: Api) -> None:
    reader, writer = await api.key("flags:read"), await api.key("flags:write")
    for method, path, body in (("PUT", "/v1/flags/a", {}), ("DELETE", "/v1/flags/a", None)):
        assert (await api(method, path, body, key=reader)).status_code == 403
    assert (await api("PUT", "/v1/flags/a", {}, key=writer)).status_code == 200
    for method, path, body in (("GET", "/v1/flags", None), ("GET", "/v1/flags/a/history", None), ("POST", "/v1/flags/a/evaluate", {})):
        assert (await api(method, path, body, key=writer)).status_code == 403
        assert (await api(method, path, body, key=reader)).status_code == 200


async def test_no_project_sees_the_flags_of_another_nor_of_the_deployment(api: Api, other: Api) -> None:
    await api.ok("PUT", "/v1/flags/mine", {})
    await other.ok("PUT", "/v1/flags/theirs", {})
    assert [flag["key"] for flag in (await other.ok("GET", "/v1/flags"))["items"]] == ["theirs"]
    for path in ("/v1/flags/mine", "/v1/flags/mine/history"):
        assert (await other("GET", path)).status_code == 404
    # Of the same name, each has its own.
    await other.ok("PUT", "/v1/flags/mine", {"enabled": False})
    assert (await explained(api, "mine"))["value"] is True
