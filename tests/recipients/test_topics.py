"""Topics and who belongs to them, now and at any position."""

import asyncio
from typing import Any

import msgspec
import pytest
from in_process import Api

from tidings.platform.postgres import tenant_transaction
from tidings.recipients.members import change_members
from tidings.recipients.structs import MembersChange


async def members(api: Api, topic: str = "news") -> list[str]:
    return [item["id"] for item in (await api.ok("GET", f"/v1/topics/{topic}/subscribers"))["items"]]


async def test_a_topic_is_created_renamed_listed_and_deleted(api: Api) -> None:
    assert (await api("PUT", "/v1/topics/news", {"name": "News"})).status_code == 201
    assert (await api("PUT", "/v1/topics/news", {"name": "The news"})).status_code == 200
    found = await api.ok("GET", "/v1/topics/news")
    assert (found["key"], found["name"], found["members"]) == ("news", "The news", 0)
    assert (await api.ok("GET", "/v1/topics"))["items"] == [found]
    await api.outbox()
    assert (await api("DELETE", "/v1/topics/news")).status_code == 204
    assert [event.type for event in await api.outbox()] == ["topic.deleted"]
    assert (await api("GET", "/v1/topics/news")).status_code == 404
    assert (await api("DELETE", "/v1/topics/news")).status_code == 404
    assert (await api("GET", "/v1/topics/news/subscribers")).status_code == 404


async def test_topic_and_people_are_created_when_someone_joins(api: Api) -> None:
    answer = await api.ok("PUT", "/v1/topics/news/subscribers", {"add": ["bob", "alice", "bob"], "remove": ["nobody"]})
    assert answer == {"added": 2, "removed": 0}
    assert sorted(await members(api)) == ["alice", "bob"]
    assert (await api.ok("GET", "/v1/topics/news"))["members"] == 2
    assert (await api("GET", "/v1/subscribers/nobody")).status_code == 404


async def test_a_call_is_one_change_with_one_event(api: Api) -> None:
    await api.ok("PUT", "/v1/topics/news/subscribers", {"add": ["alice", "bob"]})
    await api.outbox()
    assert await api.ok("PUT", "/v1/topics/news/subscribers", {"add": ["alice", "charlie"], "remove": ["bob"]}) == {
        "added": 1,
        "removed": 1,
    }
    [event] = await api.outbox()
    assert event.type == "topic.members"
    assert msgspec.json.decode(event.data) == {"topic": "news", "added": ["charlie"], "removed": ["bob"]}
    internal = msgspec.json.decode(event.internal or "")
    assert internal["topic"] == (event.topics or [None])[0]
    assert len(internal["added"]) == len(internal["removed"]) == 1


async def test_what_changes_nothing_tells_the_log_nothing(api: Api) -> None:
    await api.ok("PUT", "/v1/topics/news/subscribers", {"add": ["alice"]})
    await api.outbox()
    before = await api.database.system.fetchval("SELECT count(*) FROM topic_changes")
    assert await api.ok("PUT", "/v1/topics/news/subscribers", {"add": ["alice"], "remove": ["bob"]}) == {"added": 0, "removed": 0}
    assert await api.outbox() == []
    assert await api.database.system.fetchval("SELECT count(*) FROM topic_changes") == before


async def test_who_was_a_member_at_a_position_can_be_told(api: Api) -> None:
    expected: dict[int, set[str]] = {}
    now: set[str] = set()
    await api.outbox()
    for change in ({"add": ["a", "b"]}, {"remove": ["a"]}, {"add": ["a", "c"]}, {"remove": ["b", "c"]}):
        await api.ok("PUT", "/v1/topics/news/subscribers", change)
        now = now - set(change.get("remove", [])) | set(change.get("add", []))
        [event] = await api.outbox()
        expected[event.position] = now
    for position, people in expected.items():
        rows = await api.database.system.fetch(
            """SELECT s.external_id FROM topic_members m JOIN subscribers s ON s.id = m.subscriber
            JOIN topic_changes joined ON joined.id = m.added_by LEFT JOIN topic_changes gone ON gone.id = m.removed_by
            WHERE m.project = $1 AND joined.position <= $2 AND (m.removed_by IS NULL OR gone.position > $2)""",
            api.tenant.id,
            position,
        )
        assert {row["external_id"] for row in rows} == people


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"add": ["a"], "remove": ["a"]}, "remove"),
        ({"add": [""]}, "add[0]"),
        ({"add": ["a\u0000"]}, "add[0]"),
        ({"add": [f"p{n}" for n in range(1001)]}, "add"),
        ({"join": []}, "join"),
        ({"add": "alice"}, "add"),
    ],
)
async def test_a_wrong_field_is_named(api: Api, body: Any, field: str) -> None:
    answer = await api("PUT", "/v1/topics/news/subscribers", body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_changes_at_once_keep_the_count_right(api: Api) -> None:
    people = [f"p{number}" for number in range(40)]
    await asyncio.gather(
        *(api.ok("PUT", "/v1/topics/news/subscribers", {"add": people[turn:] + people[:turn]}) for turn in range(0, 40, 5)),
        *(api.ok("PUT", "/v1/topics/news/subscribers", {"remove": people[turn : turn + 10][::-1]}) for turn in range(0, 40, 10)),
        *(api.ok("DELETE", f"/v1/subscribers/{name}") for name in await made(api, "x", "y")),
    )
    assert (await api.ok("GET", "/v1/topics/news"))["members"] == len(await members(api))


async def made(api: Api, *names: str) -> tuple[str, ...]:
    for name in names:
        await api.ok("PUT", f"/v1/subscribers/{name}", {})
    await api.ok("PUT", "/v1/topics/news/subscribers", {"add": list(names)})
    return names


async def test_people_deleted_while_they_join_are_no_members(api: Api) -> None:
    for turn in range(10):
        await api.ok("PUT", "/v1/subscribers/alice", {})
        await asyncio.gather(
            api.ok("PUT", f"/v1/topics/t{turn}/subscribers", {"add": ["alice"]}),
            api("DELETE", "/v1/subscribers/alice"),
            api.ok("PUT", f"/v1/topics/u{turn}/subscribers", {"add": ["alice"]}),
        )
    ghosts = await api.database.system.fetchval(
        "SELECT count(*) FROM topic_members m JOIN subscribers s ON s.id = m.subscriber WHERE removed_by IS NULL AND deleted_at IS NOT NULL"
    )
    wrong = await api.database.system.fetchval(
        "SELECT count(*) FROM topics t WHERE members <> (SELECT count(*) FROM topic_members WHERE topic = t.id AND removed_by IS NULL)"
    )
    assert (ghosts, wrong) == (0, 0)


async def test_a_thousand_join_at_once_and_are_counted(api: Api) -> None:
    for turn in range(3):
        wanted = MembersChange(add=[f"p{turn}-{number}" for number in range(1000)])
        async with tenant_transaction(api.database, api.tenant.id) as connection:
            assert (await change_members(connection, api.holder, "news", wanted)).added == 1000
    assert (await api.ok("GET", "/v1/topics/news"))["members"] == 3000


async def test_members_are_listed_page_by_page(api: Api) -> None:
    names = [f"p{number:03}" for number in range(25)]
    await api.ok("PUT", "/v1/topics/news/subscribers", {"add": names})
    paged: list[str] = []
    after = ""
    while after is not None:
        page = await api.ok("GET", f"/v1/topics/news/subscribers?limit=10{after and '&after=' + after}")
        paged += [item["id"] for item in page["items"]]
        after = page["next"]
    assert paged == names


async def test_another_projects_topic_is_not_found(api: Api) -> None:
    await api.database.system.execute(
        "INSERT INTO topics (project, key, created_by) SELECT id, 'secret', 'test' FROM projects WHERE id <> $1", api.tenant.id
    )
    assert (await api("GET", "/v1/topics/secret")).status_code == 404
    assert (await api("DELETE", "/v1/topics/secret")).status_code == 404
