"""The inbox over HTTP: pages, filters, ETags, marks."""

from typing import Any

import aiohttp
import pytest
from running import Project, until


class Inbox:
    """alice's, seen by alice."""

    def __init__(self, project: Project, token: str) -> None:
        self.project = project
        self.token = token

    async def __call__(self, method: str, path: str, body: Any = None, expect: int | None = None) -> Any:
        return await self.project.call(method, f"/v1/inbox{path}", body, expect=expect, Authorization=f"Bearer {self.token}")


@pytest.fixture
async def alice(project: Project) -> Inbox:
    return Inbox(project, await project.token("alice"))


async def test_pages_follow_one_another_without_gap_or_repetition(project: Project, alice: Inbox) -> None:
    ids = [await project.publish(f"item {n}", ["alice"]) for n in range(7)]
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = await alice("GET", f"?limit=3{'&after=' + after if after else ''}")
        seen += [item["id"] for item in page["items"]]
        after = page["next"]
    assert seen == ids[::-1]


async def test_filters_by_unread_category_and_archived(project: Project, alice: Inbox) -> None:
    export = await project.publish("export", ["alice"], category="exports")
    billing = await project.publish("billing", ["alice"], category="billing")
    other = await project.publish("other", ["alice"])
    assert (await alice("POST", "/read", {"ids": [export]}))["counts"] == {"total": 3, "unseen": 2, "unread": 2}
    await alice("POST", "/archive", {"ids": [other]})

    async def ids(query: str) -> list[str]:
        return [item["id"] for item in (await alice("GET", query))["items"]]

    assert await ids("?unread=true") == [billing]
    assert await ids("?category=exports") == [export]
    assert await ids("?archived=true") == [other]
    assert await ids("") == [billing, export]
    await alice("POST", "/unarchive", {"ids": [other]})
    assert await ids("") == [other, billing, export]


async def test_an_unchanged_inbox_answers_304(project: Project, alice: Inbox) -> None:
    await project.publish("one", ["alice"])
    headers = {"Authorization": f"Bearer {alice.token}"}
    url = project.base_url + "/v1/inbox/counts"
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(url) as first:
            etag = first.headers["ETag"]
        async with session.get(url, headers={"If-None-Match": etag}) as second:
            assert second.status == 304
        await project.publish("two", ["alice"])
        async with session.get(url, headers={"If-None-Match": etag}) as third:
            assert third.status == 200


async def test_another_subscribers_items_cannot_be_marked(project: Project, alice: Inbox) -> None:
    foreign = await project.publish("for bob", ["bob"])
    assert (await alice("POST", "/read", {"ids": [foreign]}))["changed"] == 0
    await alice("POST", "/read", {"up_to": foreign}, expect=404)
    bob = Inbox(project, await project.token("bob"))
    assert (await bob("GET", "/counts"))["unread"] == 1


async def test_a_click_is_told_of_once_and_changes_nothing_of_the_inbox(project: Project, alice: Inbox) -> None:
    first, second = [await project.publish(title, ["alice"]) for title in ("first", "second")]
    foreign = await project.publish("for bob", ["bob"])
    await alice("POST", "/archive", {"ids": [second]})
    before = await alice("GET", "")
    assert await alice("POST", "/clicked", {"ids": [first]}) == {"changed": 1, "counts": {"total": 1, "unseen": 1, "unread": 1}}
    assert (await alice("POST", "/clicked", {"ids": [first, second, foreign]}))["changed"] == 1
    assert (await alice("POST", "/clicked", {"ids": [first, second]}))["changed"] == 0
    assert (await alice("GET", ""))["items"] == before["items"]
    await alice("POST", "/clicked", {"up_to": first}, expect=422)

    async def told() -> list[Any]:
        events = (await project.call("GET", "/v1/events?after=0"))["events"]
        clicks = [event for event in events if event["type"] == "inbox.clicked"]
        return clicks if len(clicks) == 2 else []

    events = await until(told, 10, "both clicks are in the log")
    assert [event["data"]["ids"] for event in events] == [[first], [second]]
    assert {event["data"]["subscriber"] for event in events} == {"alice"}
