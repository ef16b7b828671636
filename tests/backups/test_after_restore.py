"""A deployment that goes on from an earlier moment: what it tells its clients, what stays revoked and erased, what is not sent twice."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from processes.test_command_line import as_json
from running import Project, Running, Servers, running, until
from webhook_receiver import Receiver, receiving

from backups.house import SHARDS, House, opened, url_of
from tidings.backups.journal import read_journal
from tidings.backups.recovery import Moment
from tidings.backups.replaying import replay_journal
from tidings.backups.restore import Restored
from tidings.deliveries.ledger.claim import claim
from tidings.deliveries.ledger.clock import time_of
from tidings.deliveries.ledger.dispatch import dispatch
from tidings.deliveries.ledger.plan import plan_next
from tidings.deliveries.ledger.wanted import Wishes


@dataclass
class After:
    """project: as its first key reaches it on what was restored.   made: the answers when its keys were made.   cursor: of before."""

    tidings: Running
    project: Project
    receiver: Receiver
    restored: Restored
    made: dict[str, Any]
    token: str
    cursor: str


@pytest.fixture(scope="module")
async def after(house: House) -> AsyncIterator[After]:
    """A base backup, then revocations and erasures, then a loss: restored to the moment before these."""
    project = await house.tidings.new_project()
    async with receiving() as receiver:
        made = await life_before(project, receiver)
        await some_are_planned_and_one_is_under_way(house, project)
        cursor = (await project.call("GET", "/v1/stream/poll", Authorization=await bearer(project)))["cursor"]
        token = await project.token("alice")
        async with house.streaming():
            base = await house.base()
            await project.publish("not planned yet", ["alice"])
            moment = (await house.fetchrow("SELECT clock_timestamp()"))[0]
            await life_after(project, made)
            await until(lambda: nothing_waits(house), 20, "the log has it")
            await house.journal()
            await house.covered()
        restored = await house.restore(base, Moment(time=moment))
        async with opened(restored) as postgres:
            assert restored.state is not None
            old = house.tidings.servers
            servers = Servers(Path(restored.state), postgres, old.valkey, url_of(postgres), old.redis_url)
            async with running(servers, servers.database_url, TIDINGS_SHARDS=str(SHARDS)) as tidings:
                yield After(tidings, replace(project, base_url=tidings.base_url), receiver, restored, made, token, cursor)


async def bearer(project: Project) -> str:
    return f"Bearer {await project.token('alice')}"


async def life_before(project: Project, receiver: Receiver) -> dict[str, Any]:
    for person in ("alice", "bob", "carol"):
        await project.call("PUT", f"/v1/subscribers/{person}", {"email": f"{person}@example.com"})
    made = {name: await project.call("POST", "/v1/keys", {"name": name, "scopes": ["*"]}) for name in ("stays", "revoked", "rotated")}
    await project.call("POST", "/v1/endpoints", {"url": receiver.url(), "events": ["notification.created"]})
    for number in range(3):
        await project.publish(f"before {number}", ["alice", "bob"])
    return made


async def some_are_planned_and_one_is_under_way(house: House, project: Project) -> None:
    await until(lambda: nothing_waits(house), 20, "the log has it")
    async with house.tidings.database.system.acquire() as connection:
        wishes = Wishes()
        while not (await plan_next(connection, project.shard, wishes)).is_all:
            pass
        dispatched = await dispatch(connection, await time_of(connection))
        assert len(await claim(connection, dispatched.ids[:1], "a worker that is lost")) == 1


async def nothing_waits(house: House) -> bool:
    return not (await house.fetchrow("SELECT count(*) FROM outbox"))[0]


async def life_after(project: Project, made: dict[str, Any]) -> None:
    await project.call("DELETE", f"/v1/keys/{made['revoked']['key']}")
    await project.call("POST", f"/v1/keys/{made['rotated']['key']}/rotate", {"overlap": 0})
    await project.call("DELETE", "/v1/subscribers/bob")
    await project.call("POST", "/v1/subscribers/carol/tokens/revoke")
    # Erased, and somebody new by the same name afterwards: only the one before is erased for good.
    await project.call("PUT", "/v1/subscribers/bob", {"email": "another-bob@example.com"})
    await project.publish("after", ["alice"])


async def test_clients_are_told_to_read_their_inbox(after: After) -> None:
    alice = f"Bearer {after.token}"
    answer = await after.project.call("GET", f"/v1/stream/poll?cursor={after.cursor}", Authorization=alice)
    assert [event["event"] for event in answer["events"]] == ["reset"]
    titles = [item["title"] for item in (await after.project.call("GET", "/v1/inbox", Authorization=alice))["items"]]
    assert titles == ["not planned yet", "before 2", "before 1", "before 0"]
    assert answer["cursor"].split(".")[0] == after.restored.ready.epochs[after.project.shard] != after.cursor.split(".")[0]


async def test_what_was_published_after_it_arrives_on_the_new_epoch(after: After) -> None:
    alice = f"Bearer {after.token}"
    cursor = (await after.project.call("GET", "/v1/stream/poll", Authorization=alice))["cursor"]
    await after.project.publish("the life goes on", ["alice"])
    answer = await after.project.call("GET", f"/v1/stream/poll?cursor={cursor}&wait=20", Authorization=alice)
    assert [event["data"]["title"] for event in answer["events"] if event["event"] == "notification"] == ["the life goes on"]


@pytest.mark.parametrize(("key", "status"), [("stays", 200), ("revoked", 401), ("rotated", 401)])
async def test_keys_that_were_ended_since_stay_ended(after: After, key: str, status: int) -> None:
    held = replace(after.project, api_key=after.made[key]["secret"])
    await held.call("GET", "/v1/subscribers/alice", expect=status)


async def test_people_who_were_erased_since_stay_erased(after: After) -> None:
    await after.project.call("GET", "/v1/subscribers/bob", expect=404)
    assert after.restored.ready.replayed["subscriber.deleted"] == 1
    rows = await after.tidings.database.system.fetch("SELECT email FROM subscribers WHERE external_id = 'bob'")
    assert [row["email"] for row in rows] == [None]


async def test_tokens_that_were_revoked_since_stay_so(after: After) -> None:
    assert after.restored.ready.replayed["subscriber.tokens_revoked"] == 1


async def test_the_journal_names_nobody(house: House, after: After) -> None:
    """It is kept for as long as the backups; of who was erased nothing may be in it."""
    told = str([entry async for entries in read_journal(house.place) for entry in entries])
    assert "subscriber.deleted" in told and "bob" not in told


async def test_a_journal_replayed_again_changes_nothing(house: House, after: After) -> None:
    assert (await replay_journal(house.place, after.tidings.database)).total() == 0


async def test_what_was_on_its_way_is_held_until_a_person_releases_it(after: After) -> None:
    """Planned, under way, or not planned yet at that moment: none goes out by itself, and released each goes out once."""
    system = after.tidings.database.system
    states = await system.fetch(
        "SELECT state, reason, count(*) FROM deliveries WHERE project = $1 AND type = 'notification.created' GROUP BY 1, 2 ORDER BY 1",
        after.project.id,
    )
    assert ("held", "restored", 4) in [tuple(row) for row in states]
    assert await system.fetchval("SELECT count(*) FROM attempts WHERE outcome = 'lost' AND reason = 'restored'") == 1
    held = await as_json("backup", "held", "list", **environment(after))
    assert [(one["project"], one["deliveries"]) for one in held if one["project"] == after.project.key] == [(after.project.key, 4)]

    await after.tidings.another_worker("planner")
    await after.tidings.another_worker("deliveries")
    marker = await after.project.publish("a new one", ["alice"])
    await until(lambda: got(after, marker), 30, "a new delivery goes out")
    assert not [one for one in after.receiver.got if one.title.startswith(("before", "not planned"))]

    released = await as_json("backup", "held", "release", "--project", after.project.key, "--rate", "100", **environment(after))
    assert released == {"released": 4}
    wanted = ["before 0", "before 1", "before 2", "not planned yet"]
    await until(lambda: all_got(after, wanted), 30, "what was released goes out")
    assert sorted(one.title for one in after.receiver.got if one.title in wanted) == wanted
    assert await as_json("backup", "held", "release", **environment(after)) == {"released": 0}


async def got(after: After, notification: str) -> bool:
    return any(one.message["data"].get("id") == notification or one.title == "a new one" for one in after.receiver.got)


async def all_got(after: After, titles: list[str]) -> bool:
    return set(titles) <= {one.title for one in after.receiver.got}


def environment(after: After) -> dict[str, str]:
    return after.tidings.environment
