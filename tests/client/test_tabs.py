"""All tabs of a browser share one connection, and none misses what the others get."""

import asyncio
import base64
import contextlib
import json
from typing import Any

import aiohttp
import pytest
from client.conftest import NewTab
from client.tab import Tab
from playwright.async_api import Route
from running import Project, Running, until

OPEN = "tidings_streams "
LOOKS_EVERY_MS = 15_000
WAITS_FOR_AN_ANSWER_MS = 800


async def open_streams(base_url: str) -> float:
    async with aiohttp.ClientSession() as session, session.get(f"{base_url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(OPEN))


async def leader_of(tabs: list[Tab]) -> Tab:
    leading = [tab for tab in tabs if await tab.page.evaluate("connection.isLeader")]
    assert len(leading) == 1, len(leading)
    return leading[0]


async def eight(new: NewTab) -> list[Tab]:
    tabs = [await new() for _ in range(8)]
    await asyncio.gather(*(tab.connected() for tab in tabs))
    return tabs


async def test_eight_tabs_hold_one_stream_and_get_every_event(new: NewTab, project: Project, tidings: Running) -> None:
    before = await open_streams(project.base_url)
    tabs = await eight(new)
    for title in ("one", "two", "three"):
        await project.publish(title, ["alice"])
    for tab in tabs:
        await tab.has_heard("one", "two", "three")
    assert await open_streams(project.base_url) == before + 1


async def test_when_the_leader_is_closed_another_tab_goes_on_and_nothing_is_missed(new: NewTab, project: Project) -> None:
    tabs = await eight(new)
    titles = []
    for number in range(4):
        titles.append(f"before closing {number}")
        await project.publish(titles[-1], ["alice"])
        leader = await leader_of(tabs)
        tabs.remove(leader)
        await asyncio.gather(leader.close(), project.publish(f"while closing {number}", ["alice"]))
        titles.append(f"while closing {number}")
        await until(lambda: has_leader(tabs), 5, "another tab leads")
    for tab in tabs:
        await tab.has_heard(*titles)


async def has_leader(tabs: list[Tab]) -> bool:
    return any([await tab.page.evaluate("connection.isLeader") for tab in tabs])


async def test_a_tab_that_comes_later_with_an_older_cursor_gets_what_lies_between(new: NewTab, project: Project) -> None:
    """As one that read its inbox on a process that is behind: the leader is further already."""
    first = await (await new()).connected()
    cursor = await first.cursor()
    await project.publish("one", ["alice"])
    await project.publish("two", ["alice"])
    await first.has_heard("one", "two")
    second = await (await new()).connected(cursor=cursor)
    await second.has_heard("one", "two")
    await project.publish("three", ["alice"])
    await first.has_heard("one", "two", "three")
    await second.has_heard("one", "two", "three")


async def test_a_tab_that_missed_what_the_leader_said_sees_the_gap_and_asks(new: NewTab, project: Project) -> None:
    first = await (await new()).connected()
    second = await (await new()).connected()
    await project.publish("one", ["alice"])
    await second.has_heard("one")
    await second.page.evaluate("window.isDeaf = true")
    await project.publish("two", ["alice"])
    await first.has_heard("one", "two")
    await second.page.evaluate("window.isDeaf = false")
    await project.publish("three", ["alice"])
    await second.has_heard("one", "two", "three")


def frozen(tab: Tab, seconds: float) -> asyncio.Task[Any]:
    """Its page does nothing for so long, as one that the browser has put to sleep."""
    return asyncio.create_task(tab.page.evaluate("(ms) => { for (const end = Date.now() + ms; Date.now() < end; ); }", 1000 * seconds))


async def test_a_frozen_leader_loses_the_lead_to_a_tab_that_is_looked_at(new: NewTab, project: Project) -> None:
    first = await (await new()).connected()
    second = await (await new()).connected()
    asleep = frozen(first, 8)

    async def leads_when_looked_at() -> bool:
        await second.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await asyncio.sleep(1)
        return await has_leader([second])

    await until(leads_when_looked_at, 7, "the second tab leads")
    await project.publish("while frozen", ["alice"])
    await second.has_heard("while frozen")
    await asleep
    await project.publish("thawed", ["alice"])
    await first.has_heard("while frozen", "thawed")
    assert await leader_of([first, second]) is second


async def test_a_tab_in_view_finds_out_by_itself_that_its_leader_sleeps(new: NewTab, project: Project) -> None:
    """Nothing tells it: it was in view all the time. Its clock is moved on to when it looks."""
    first = await (await new()).connected()
    second = await new()
    await second.page.clock.install()
    await second.connected()
    await second.page.clock.fast_forward(LOOKS_EVERY_MS)
    await project.publish("while awake", ["alice"])
    await second.has_heard("while awake")
    await second.page.clock.fast_forward(WAITS_FOR_AN_ANSWER_MS)
    assert await leader_of([first, second]) is first

    async def second_looks_and_leads() -> bool:
        """Again, should the first have answered just before it froze."""
        await second.page.clock.fast_forward(LOOKS_EVERY_MS)
        with contextlib.suppress(AssertionError):
            await until(lambda: has_leader([second]), 1.5)
        return await has_leader([second])

    asleep = frozen(first, 8)
    await until(second_looks_and_leads, 7, "the second tab leads")
    await project.publish("while frozen", ["alice"])
    await second.has_heard("while awake", "while frozen")
    await asleep
    await first.has_heard("while awake", "while frozen")
    assert await leader_of([first, second]) is second


async def test_a_tab_that_slept_through_a_thousand_events_gets_them_all(new: NewTab, project: Project) -> None:
    tab = await (await new()).connected()
    asleep = frozen(tab, 5)
    titles = [f"number {number}" for number in range(1000)]
    for start in range(0, 1000, 100):
        batch: list[dict[str, Any]] = [{"to": ["alice"], "title": title} for title in titles[start : start + 100]]
        await project.call("POST", "/v1/notifications/batch", {"notifications": batch})
    assert not asleep.done()
    await asleep
    await tab.has_heard(*titles, within=30)


async def test_tabs_of_two_people_do_not_share(new: NewTab, project: Project) -> None:
    alice, bob = await (await new("alice")).connected(), await (await new("bob")).connected()
    await project.publish("for alice", ["alice"])
    await project.publish("for bob", ["bob"])
    await alice.has_heard("for alice")
    await bob.has_heard("for bob")


@pytest.mark.parametrize("way", ["fetch", "eventsource", "poll"])
async def test_a_tab_whose_tokens_become_another_persons_begins_anew_as_theirs(new: NewTab, project: Project, way: str) -> None:
    """Signed out, and in as somebody else, in another tab. The tokens of this one are refused from then on."""
    signed_in = "alice"
    tab = await new(mint=lambda: project.token(signed_in))
    asked: list[tuple[str, str]] = []
    tab.page.on("request", lambda request: asked.append((request.url, request.headers.get("authorization", ""))))
    await tab.connected(transports=[way])
    await project.publish("for alice", ["alice"])
    await project.publish("for bob before", ["bob"])
    await tab.has_heard("for alice")
    alices, before = await tab.cursor(), len(asked)
    signed_in = "bob"
    await project.call("POST", "/v1/subscribers/alice/tokens/revoke")

    async def is_told() -> Any:
        return await tab.page.evaluate("heard.find((one) => one.name === 'reset')?.data")

    reset = await until(is_told, 15, "the tab is told that it is bob's")
    assert reset["reason"] == "person"
    await tab.live()
    colleague = await (await new("bob")).connected()
    assert not await colleague.page.evaluate("connection.isLeader")
    await project.publish("for alice again", ["alice"])
    await project.publish("for bob", ["bob"])
    await colleague.has_heard("for bob")
    await tab.has_heard("for alice", "for bob")
    of_bob = [url for url, authorization in asked[before:] if subject_of(authorization) == "bob"]
    assert of_bob
    assert not [url for url in of_bob if f"cursor={alices}" in url]
    held = await tab.page.evaluate("navigator.locks.query().then(({ held }) => held.map((lock) => lock.name))")
    assert len(held) == 1, held
    assert ":bob:" in held[0]


def subject_of(authorization: str) -> str | None:
    """Of a bearer token, whose it is."""
    _, _, token = authorization.partition(" ")
    if not token:
        return None
    claims = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"])


async def test_tabs_that_hear_nothing_ask_nothing(new: NewTab, project: Project) -> None:
    """A follower in view asks the leader each 15 s whether it is there; neither page is told of that, nor is the server asked."""
    leader = await (await new()).connected()
    follower = await new()
    await follower.page.clock.install()
    await follower.connected()
    asked: list[str] = []
    for tab in (leader, follower):
        tab.page.on("request", lambda request: asked.append(request.url))
    before = await leader.states() + await follower.states()
    titles: list[str] = []
    for number in range(3):
        await follower.page.clock.fast_forward(LOOKS_EVERY_MS)
        titles.append(f"after question {number}")
        await project.publish(titles[-1], ["alice"])
        await follower.has_heard(*titles)
        await follower.page.clock.fast_forward(WAITS_FOR_AN_ANSWER_MS)
    assert await leader.states() + await follower.states() == before
    assert asked == []


async def test_a_page_that_comes_back_goes_on_where_this_browser_was(new: NewTab, project: Project) -> None:
    tab = await (await new()).connected()
    await project.publish("one", ["alice"])
    await tab.has_heard("one")
    await tab.page.goto("about:blank")
    await project.publish("while away", ["alice"])
    await tab.load()
    await tab.connected()
    await tab.has_heard("while away")


async def test_a_follower_with_an_older_cursor_is_not_led_past_it_by_a_leader_without_one(new: NewTab, project: Project) -> None:
    first = await new()
    cursor = (await project.call("GET", "/v1/stream/poll", Authorization=f"Bearer {await project.token('alice')}"))["cursor"]
    await project.publish("one", ["alice"])
    # The leader has no cursor, and its stream opens late.
    await first.page.route("**/v1/stream", lambda route: asyncio.ensure_future(later(route)))
    await first.connect()
    second = await new()
    await second.connect(cursor=cursor)
    await project.publish("two", ["alice"])
    await second.has_heard("one", "two")


async def later(route: Route) -> None:
    await asyncio.sleep(1)
    await route.continue_()


async def test_a_frame_that_is_refused_locks_has_its_own_stream(new: NewTab, project: Project) -> None:
    tab = await new()
    await tab.page.evaluate("() => { navigator.locks.request = () => Promise.reject(new DOMException('no', 'SecurityError')); }")
    await tab.connected()
    await project.publish("alone", ["alice"])
    await tab.has_heard("alone")
