"""Web push in the browser: a real service worker on a page of another origin than the API, and push events as the browser has them.

What is not real: no push service can be reached here, so pushManager.subscribe is played (push_site.py), the devtools deliver what a push
service would, and a click is dispatched by hand.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from inbox.inbox_page import SOON_MS, InboxPage
from inbox.push_site import LOADS_OURS, THEIRS, Site, Visitor, click, deliver, shown_in, worker_of
from playwright.async_api import Browser, expect
from running import Project, Running, until

Mint = Callable[[], Awaitable[str]]


@pytest.fixture
async def site(tidings: Running) -> AsyncIterator[Site]:
    site, app = Site(tidings.base_url), web.Application()
    app.router.add_get("/{path:.*}", site.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield site
    await runner.cleanup()


@pytest.fixture
async def visitor(browser: Browser, site: Site) -> AsyncIterator[Visitor]:
    context = await browser.new_context(locale="en-GB")
    await context.grant_permissions(["notifications"], origin=site.url)
    yield Visitor(site, context)
    await context.close()


@pytest.fixture
def alice(project: Project) -> Mint:
    return lambda: project.token("alice")


async def browsers_of(project: Project, subscriber: str) -> list[str]:
    """The ids of the push subscriptions that Tidings has for someone."""
    answer = await project.call("GET", f"/v1/subscribers/{subscriber}/push-subscriptions")
    return [one["id"] for one in answer["items"]]


async def has_browsers(project: Project, subscriber: str, count: int) -> list[str]:
    async def has() -> bool:
        return len(await browsers_of(project, subscriber)) == count

    await until(has, what=f"{subscriber} has {count} push subscriptions")
    return await browsers_of(project, subscriber)


async def becomes_true(page: InboxPage, expression: str) -> None:
    """Not by wait_for_function, which the content policy of the page forbids."""
    await until(lambda: page.page.evaluate(expression), what=expression)


async def flip(page: InboxPage, is_on: bool) -> None:
    """The switch, to that side."""
    if not await page.panel.is_visible():
        await page.open()
    switch = page.panel.get_by_role("switch", name="Desktop notifications")
    if not await switch.is_visible():
        await page.panel.get_by_role("button", name="Settings").click()
    await expect(switch).to_have_attribute("aria-checked", str(not is_on).lower())
    await switch.click()
    await expect(switch).to_have_attribute("aria-checked", str(is_on).lower())


async def turned_on(page: InboxPage, project: Project, subscriber: str = "alice") -> InboxPage:
    await flip(page, True)
    await has_browsers(project, subscriber, 1)
    # Kept here a moment after it is there.
    await becomes_true(page, "localStorage.getItem('tidings:push:/tidings-push.js') !== null")
    return page


async def hide(page: InboxPage) -> None:
    """As the tab of a browser that shows another: a browser without a screen shows all its tabs."""
    await page.page.evaluate(
        """() => {
            Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
            Object.defineProperty(document, "hidden", { get: () => true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )


def pushed(identity: str, title: str = "Deploy finished", **more: Any) -> dict[str, Any]:
    return {"id": identity, "title": title, "body": "In 42 s", "url": None} | more


async def test_the_switch_subscribes_this_browser_and_gives_it_up(visitor: Visitor, project: Project, alice: Mint) -> None:
    page = await turned_on(await visitor.open(alice), project)
    await flip(page, False)
    await has_browsers(project, "alice", 0)
    await becomes_true(page, "localStorage.getItem('tidings:push:/tidings-push.js') === null")
    assert page.said == []


async def test_nothing_is_subscribed_before_the_person_wants_it(visitor: Visitor, project: Project, alice: Mint) -> None:
    page = await visitor.open(alice)
    await page.open()
    await page.panel.get_by_role("button", name="Settings").click()
    await expect(page.panel.get_by_role("switch", name="Desktop notifications")).to_have_attribute("aria-checked", "false")
    assert await page.page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
    await page.has_badge("")
    assert await browsers_of(project, "alice") == []


async def test_the_next_person_who_signs_in_here_has_it_and_the_one_before_no_more(visitor: Visitor, project: Project, alice: Mint) -> None:
    page = await turned_on(await visitor.open(alice), project)
    [of_alice] = await browsers_of(project, "alice")
    await page.page.close()
    await project.publish("So that bob exists", ["bob"])
    await visitor.open(lambda: project.token("bob"))
    assert await has_browsers(project, "bob", 1) == [of_alice]
    assert await browsers_of(project, "alice") == []


async def test_a_later_start_renews_what_the_browser_dropped(visitor: Visitor, project: Project, alice: Mint) -> None:
    page = await turned_on(await visitor.open(alice), project)
    [before] = await browsers_of(project, "alice")
    await page.page.evaluate("localStorage.removeItem('played subscription')")
    await page.page.reload()

    async def is_another() -> bool:
        return bool(set(await browsers_of(project, "alice")) - {before})

    await until(is_another)


async def test_at_sign_out_it_is_given_up_closed_and_not_chosen_any_more(visitor: Visitor, project: Project, alice: Mint) -> None:
    page = await turned_on(await visitor.open(alice), project)
    await hide(page)
    worker = await shows(page, visitor, pushed(await project.publish("Deploy finished", ["alice"])))
    await page.page.evaluate("inbox.forget()")
    assert await browsers_of(project, "alice") == []
    assert await shown_in(worker) == []
    await page.page.reload()
    await page.has_badge("1")
    assert await browsers_of(project, "alice") == []
    assert page.said == []


async def shows(page: InboxPage, visitor: Visitor, *payloads: dict[str, Any]) -> Any:
    """Delivers to a browser where nobody looks; the worker, when all are shown."""
    for payload in payloads:
        await deliver(page, visitor.site.url, payload)
    worker = await worker_of(visitor.context)
    await until(lambda: worker.evaluate("(titles) => titles.every((title) => shows.includes(title))", [one["title"] for one in payloads]))
    return worker


async def test_what_is_pushed_is_shown_once_however_often_it_comes(visitor: Visitor, project: Project, alice: Mint) -> None:
    page = await turned_on(await visitor.open(alice), project)
    await hide(page)
    first, other = [await project.publish(title, ["alice"]) for title in ("Deploy finished", "Other")]
    worker = await shows(page, visitor, pushed(first), pushed(first), pushed(other, "Other"))
    await until(lambda: worker.evaluate("shows.length === 3"))
    assert sorted(one["tag"] for one in await shown_in(worker)) == sorted([first, other])
    assert {"title": "Deploy finished", "body": "In 42 s", "tag": first} in await shown_in(worker)


async def test_a_page_that_is_hidden_shows_nothing_beside_the_worker(visitor: Visitor, project: Project, alice: Mint) -> None:
    page = await turned_on(await visitor.open(alice), project)
    await hide(page)
    await page.page.evaluate(
        """() => {
            document.hasFocus = () => false;
            window.shown = [];
            window.Notification = class { static permission = "granted"; constructor(title) { shown.push(title); } };
        }"""
    )
    await project.publish("Deploy finished", ["alice"])
    await page.has_badge("1")
    assert await page.page.evaluate("shown") == []


async def test_an_inbox_that_is_visible_and_live_is_enough(visitor: Visitor, project: Project, alice: Mint) -> None:
    page = await turned_on(await visitor.open(alice), project)
    await becomes_true(page, "inbox.connection.state.name === 'live'")
    await deliver(page, visitor.site.url, pushed(await project.publish("Seen by the inbox", ["alice"]), "Seen by the inbox"))
    await becomes_true(page, "asked === 1")
    await hide(page)
    worker = await shows(page, visitor, pushed(await project.publish("After it", ["alice"]), "After it"))
    assert [one["title"] for one in await shown_in(worker)] == ["After it"]


async def test_a_visible_page_without_an_inbox_is_not(visitor: Visitor, project: Project, alice: Mint) -> None:
    page = await turned_on(await visitor.open(alice), project)
    await page.page.goto(f"{visitor.site.url}/without-inbox")
    await shows(page, visitor, pushed(await project.publish("Deploy finished", ["alice"])))


@pytest.mark.parametrize("payload", ["not JSON", "null", '{"title": "no id"}', '{"id": "42", "title": "another kind"}'])
async def test_what_is_not_ours_shows_nothing_of_ours(visitor: Visitor, project: Project, alice: Mint, payload: str) -> None:
    page = await turned_on(await visitor.open(alice), project)
    await hide(page)
    await deliver(page, visitor.site.url, payload)
    worker = await shows(page, visitor, pushed(await project.publish("Ours", ["alice"]), "Ours"))
    assert [one["title"] for one in await shown_in(worker)] == ["Ours"]
    assert page.said == []


async def test_a_click_opens_the_item_as_a_click_on_its_row_does(visitor: Visitor, project: Project, alice: Mint) -> None:
    page = await turned_on(await visitor.open(alice), project)
    await hide(page)
    identity = await project.publish("Deploy finished", ["alice"], url="/deploys/1", data={"run": 7})
    await page.has_badge("1")
    worker = await shows(page, visitor, pushed(identity, url="/deploys/1"))
    await click(worker, "Deploy finished")
    await page.has_badge("")
    [item] = await page.page.evaluate("told")
    assert (item["id"], item["data"]) == (identity, {"run": 7})
    # The page objected, so it is still where it was.
    assert "/deploys/1" not in page.page.url
    assert await shown_in(worker) == []
    assert await worker.evaluate("opened") == []


async def test_an_item_that_the_list_does_not_show_and_that_has_no_address_opens_the_panel(
    visitor: Visitor, project: Project, alice: Mint
) -> None:
    page = await turned_on(await visitor.open(alice), project)
    await hide(page)
    identity = await project.publish("Far below", ["alice"], data={"run": 8})
    await page.has_badge("1")
    for number in range(30):
        await project.publish(f"Above {number}", ["alice"])
    await page.page.reload()
    await page.has_badge("31")
    await hide(page)
    worker = await shows(page, visitor, pushed(identity, "Far below"))
    await click(worker, "Far below")
    await page.has_badge("30")
    await becomes_true(page, "told.length === 1")
    await expect(page.panel).to_be_visible()
    assert (await page.page.evaluate("told"))[0]["data"] == {"run": 8}


async def test_without_a_page_it_opens_one_whose_inbox_knows_what_was_read(visitor: Visitor, project: Project, alice: Mint) -> None:
    page = await turned_on(await visitor.open(alice), project)
    await page.page.goto(f"{visitor.site.url}/without-inbox")
    identity = await project.publish("Deploy finished", ["alice"], url="/deploys/1")
    worker = await shows(page, visitor, pushed(identity, url="/deploys/1"))
    await click(worker, "Deploy finished")

    async def has_opened() -> bool:
        return bool(await worker.evaluate("opened.length"))

    await until(has_opened)
    assert await worker.evaluate("opened") == [f"{visitor.site.url}/deploys/1"]
    opened = await visitor.open(alice, "/deploys/1")

    async def is_read() -> bool:
        counts = await project.call("GET", "/v1/inbox/counts", Authorization=f"Bearer {await alice()}")
        return bool(counts["unread"] == 0)

    await until(is_read)
    await opened.has_badge("")
    assert await opened.page.evaluate("told") == []


async def test_what_was_read_elsewhere_is_closed_when_the_inbox_is_opened(visitor: Visitor, project: Project, alice: Mint) -> None:
    page = await turned_on(await visitor.open(alice), project)
    await page.bell.click()
    await hide(page)
    read, unread = [await project.publish(title, ["alice"]) for title in ("Read", "Unread")]
    worker = await shows(page, visitor, pushed(read, "Read"), pushed(unread, "Unread"))
    await page.has_badge("2")
    await project.call("POST", "/v1/inbox/read", {"ids": [read]}, Authorization=f"Bearer {await alice()}")
    await page.has_badge("1")
    await page.open()

    async def is_one() -> bool:
        return [one["title"] for one in await shown_in(worker)] == ["Unread"]

    await until(is_one)


async def test_a_worker_that_the_page_had_before_stays_beside_ours(visitor: Visitor, project: Project, alice: Mint) -> None:
    page = await visitor.open(alice)
    await page.page.evaluate("navigator.serviceWorker.register('/theirs.js')")
    await turned_on(page, project)
    scripts = await page.page.evaluate(
        "navigator.serviceWorker.getRegistrations().then((all) => all.map(({ active, scope }) => [active?.scriptURL, scope]).sort())"
    )
    url = visitor.site.url
    assert scripts == [[f"{url}/theirs.js", f"{url}/"], [f"{url}/tidings-push.js", f"{url}/tidings-push.js"]]


async def test_in_a_worker_of_the_pages_own_each_has_its_pushes(visitor: Visitor, project: Project, alice: Mint) -> None:
    visitor.site.worker = LOADS_OURS + THEIRS.replace("{", "{{").replace("}", "}}")
    page = await visitor.open(alice)
    await page.page.evaluate("navigator.serviceWorker.register('/tidings-push.js')")
    await turned_on(page, project)
    assert await page.page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 1
    await hide(page)
    await deliver(page, visitor.site.url, "of theirs")
    worker = await shows(page, visitor, pushed(await project.publish("Ours", ["alice"]), "Ours"))

    await until(lambda: worker.evaluate("shows.length === 2"))
    assert sorted((one["title"], one["body"]) for one in await shown_in(worker)) == [("Ours", "In 42 s"), ("Theirs", "of theirs")]
    await click(worker, "Theirs")
    assert await worker.evaluate("[theirClicks, opened.length]") == [1, 0]


async def test_where_push_cannot_be_had_the_switch_is_still_one_for_notifications_of_an_open_page(
    visitor: Visitor, project: Project, alice: Mint
) -> None:
    visitor.site.worker = "throw new Error('broken')"
    page = await visitor.open(alice)
    await flip(page, True)

    async def is_said() -> bool:
        return any("could not be registered" in text for text in page.said)

    await until(is_said, SOON_MS / 1000)
    await expect(page.panel.get_by_role("switch", name="Desktop notifications")).to_have_attribute("aria-checked", "true")
    assert await browsers_of(project, "alice") == []
