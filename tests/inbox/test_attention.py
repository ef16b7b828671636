"""How an inbox asks for attention, where page and person want it to: a card in the corner, a sound, a notification of the desktop."""

from inbox.conftest import NewPage
from inbox.inbox_page import SOON_MS, InboxPage, open_page
from playwright.async_api import expect
from running import Project, until

RECORD = """() => {
  window.sounded = 0;
  const start = AudioScheduledSourceNode.prototype.start;
  AudioScheduledSourceNode.prototype.start = function (...when) { sounded += 1; return start.apply(this, when); };
  window.shown = [];
  window.Notification = class {
    static permission = "default";
    static async requestPermission() { return (Notification.permission = "granted"); }
    constructor(title, { body }) { shown.push([title, body]); }
  };
}"""
# As for a person who is in another program: here Chromium says of each page that it has the focus.
LEAVE = "document.hasFocus = () => false; dispatchEvent(new Event('blur'))"
LOOKED_AT = "navigator.locks.query().then(({ held }) => held.some(({ name }) => name.includes('looked-at')))"


async def test_a_card_shows_what_arrives_while_the_inbox_is_closed_and_opens_it(new_page: NewPage, project: Project) -> None:
    page = await new_page("toast")
    await page.live()
    await project.publish("Look here", ["alice"], body="Now")
    card = page.element.locator("[part~=toast]")
    await expect(card).to_contain_text("Look here", timeout=SOON_MS)
    await card.get_by_text("Look here").click()
    await expect(card).to_have_count(0)
    assert [detail["item"]["title"] for detail in await page.told("tidings-open")] == ["Look here"]


async def test_without_being_asked_nothing_is_shown_or_heard(new_page: NewPage, project: Project) -> None:
    page = await new_page()
    await page.page.evaluate(RECORD)
    await page.live()
    await project.publish("Quietly", ["alice"])
    await page.has_badge("1")
    assert await page.element.locator("[part~=toast]").count() == 0
    assert await page.page.evaluate("[sounded, shown.length]") == [0, 0]


async def test_an_arrival_sounds_once_the_page_was_clicked(new_page: NewPage, project: Project) -> None:
    page = await new_page("sound")
    await page.page.evaluate(RECORD)
    await page.live()
    await page.page.locator("#else").click()

    async def has_sounded() -> bool:
        await project.publish("Ding", ["alice"])
        return bool(await page.page.evaluate("sounded"))

    await until(has_sounded, 10)


async def allow_desktop(page: InboxPage) -> None:
    await page.open()
    await page.panel.get_by_role("button", name="Settings").click()
    await page.panel.get_by_text("Desktop notifications").click()
    await page.page.wait_for_function("Notification.permission === 'granted'")


async def test_a_notification_of_the_desktop_is_shown_once_the_person_allowed_it(new_page: NewPage, project: Project) -> None:
    page = await new_page("desktop")
    await page.page.evaluate(RECORD)
    await page.live()
    await project.publish("Too early", ["alice"])
    await page.has_badge("1")
    assert await page.page.evaluate("shown") == []
    await allow_desktop(page)
    await project.publish("While in the page", ["alice"])
    await page.has_badge("2")
    await page.page.evaluate(LEAVE)
    await project.publish("On the desktop", ["alice"], body="Really")
    await page.page.wait_for_function("shown.length > 0")
    assert await page.page.evaluate("shown") == [["On the desktop", "Really"]]


async def test_nothing_is_shown_on_the_desktop_while_one_is_in_another_tab_of_the_site(new_page: NewPage, project: Project) -> None:
    left = await new_page("desktop")
    await left.page.evaluate(RECORD)
    await left.live()
    await allow_desktop(left)
    await left.page.evaluate(LEAVE)
    looked_at = await open_page(left.page.context, project.base_url, lambda: project.token("alice"), "desktop")
    await looked_at.live()
    await looked_at.page.wait_for_function(LOOKED_AT)
    await project.publish("In the other tab", ["alice"])
    await left.has_badge("1")
    await looked_at.page.evaluate(LEAVE)
    await looked_at.page.wait_for_function(f"{LOOKED_AT}.then((yes) => !yes)")
    await project.publish("In none", ["alice"])
    await left.page.wait_for_function("shown.length > 0")
    assert [title for title, _ in await left.page.evaluate("shown")] == ["In none"]
    assert looked_at.said == []


async def test_after_sign_out_the_switch_is_off(new_page: NewPage) -> None:
    page = await new_page("desktop")
    await page.page.evaluate(RECORD)
    await allow_desktop(page)
    switch = page.panel.get_by_role("switch", name="Desktop notifications")
    await expect(switch).to_be_checked()
    await page.page.evaluate("inbox.forget()")
    assert await switch.get_attribute("aria-checked") == "false"
