"""Where the keyboard is while the inbox changes under it: what it stood on may go, and it must not be left on the page's body."""

import pytest
from inbox.conftest import NewPage
from inbox.inbox_page import SOON_MS, InboxPage
from playwright.async_api import Route, ViewportSize, expect
from running import Project

OPENED_BY_KEY = "document.querySelector('tidings-inbox').shadowRoot.querySelector('.panel').matches(':focus-within')"
PHONE = ViewportSize(width=320, height=600)


async def open_by_key(page: InboxPage) -> None:
    await page.bell.focus()
    await page.page.keyboard.press("Enter")
    await expect(page.panel).to_be_visible()


async def enter(page: InboxPage, name: str) -> None:
    await page.panel.get_by_role("button", name=name, exact=True).focus()
    await page.page.keyboard.press("Enter")


async def expect_keys_in_panel(page: InboxPage) -> None:
    """They act there, and Escape leads back to the bell."""
    assert await page.page.evaluate(OPENED_BY_KEY)
    await page.page.keyboard.press("Escape")
    await expect(page.panel).to_be_hidden()
    await expect(page.bell).to_be_focused()


async def test_after_all_was_marked_as_read_the_focus_is_in_the_panel(new_page: NewPage, project: Project) -> None:
    await project.publish("One", ["alice"])
    page = await new_page()
    await page.has_badge("1")
    await open_by_key(page)
    await enter(page, "Mark all as read")
    await page.has_badge("")
    await expect(page.panel.get_by_role("button", name="Mark all as read")).to_be_disabled()
    await expect(page.panel.get_by_role("button", name="Mark all as read")).to_be_focused()
    await expect_keys_in_panel(page)


async def test_after_an_undo_the_focus_is_on_a_row(new_page: NewPage, project: Project) -> None:
    await project.publish("One", ["alice"])
    page = await new_page()
    await page.has_badge("1")
    await open_by_key(page)
    await expect(page.row("One")).to_be_focused()
    await page.page.keyboard.press("e")
    await expect(page.rows).to_have_count(0)
    await enter(page, "Undo")
    await expect(page.panel.locator("[part~=bar]")).to_be_hidden()
    await expect(page.row("One")).to_be_focused()
    await expect_keys_in_panel(page)


async def test_after_another_try_the_focus_is_in_the_panel(new_page: NewPage, project: Project) -> None:
    page = await new_page("hidden")
    failing = True

    async def answer(route: Route) -> None:
        await (route.fulfill(status=403, content_type="application/problem+json", body="{}") if failing else route.continue_())

    await page.page.route("**/v1/inbox?*", answer)
    await page.page.evaluate("inbox.token = () => window.freshToken(); inbox.hidden = false")
    await open_by_key(page)
    await expect(page.panel).to_contain_text("could not be loaded", timeout=SOON_MS)
    await expect(page.panel.locator("[part~=word]")).to_have_text("Disconnected")
    failing = False
    await enter(page, "Try again")
    await expect(page.panel).to_contain_text("all caught up", timeout=SOON_MS)
    await expect_keys_in_panel(page)
    page.said.clear()  # the browser's own word about the 403


async def test_after_a_card_was_closed_the_focus_is_on_the_next_and_then_on_the_bell(new_page: NewPage, project: Project) -> None:
    page = await new_page("toast")
    await page.live()
    for title in ("First", "Second"):
        await project.publish(title, ["alice"])
        await expect(page.element.locator("[part~=toast]").first).to_contain_text(title, timeout=SOON_MS)
    await page.element.locator("[part~=toast]").first.get_by_role("button", name="Close").focus()
    await page.page.keyboard.press("Enter")
    await expect(page.element.locator("[part~=toast]").get_by_role("button", name="Close")).to_be_focused()
    await page.page.keyboard.press("Enter")
    await expect(page.element.locator("[part~=toast]")).to_have_count(0)
    await expect(page.bell).to_be_focused()


async def test_a_changed_attribute_leaves_the_panel_open_and_the_focus_in_it(new_page: NewPage, project: Project) -> None:
    await project.publish("One", ["alice"])
    page = await new_page()
    await page.has_badge("1")
    await open_by_key(page)
    await page.page.evaluate("inbox.setAttribute('lang', 'de')")
    await expect(page.panel.locator("h2")).to_have_text("Mitteilungen")
    await expect(page.row("One")).to_be_focused()
    # Who has gone elsewhere is left there.
    await page.page.locator("#else").focus()
    await page.page.evaluate("inbox.setAttribute('lang', 'fr')")
    await expect(page.panel.get_by_role("button", name="Non lues")).to_be_visible()
    await expect(page.page.locator("#else")).to_be_focused()


async def test_an_attribute_set_to_what_it_is_changes_nothing(new_page: NewPage) -> None:
    page = await new_page("url=''")
    await page.live()
    same = "const before = inbox.connection; inbox.setAttribute('url', inbox.getAttribute('url')); return before === inbox.connection"
    assert await page.page.evaluate(f"() => {{ {same} }}")


async def test_escape_closes_the_panel_and_not_the_dialog_around_it(new_page: NewPage) -> None:
    page = await new_page()
    await page.page.evaluate("document.body.append(Object.assign(document.createElement('dialog'), { id: 'around' }))")
    await page.page.evaluate("around.append(inbox); around.showModal()")
    await open_by_key(page)
    await page.page.keyboard.press("Escape")
    await expect(page.panel).to_be_hidden()
    assert await page.page.evaluate("around.open")
    await page.page.keyboard.press("Escape")
    assert not await page.page.evaluate("around.open")


async def stops(page: InboxPage) -> set[str]:
    """What the Tab key comes by in two rounds of the panel."""
    seen: set[str] = set()
    for _ in range(40):
        await page.page.keyboard.press("Tab")
        seen.add(await page.page.evaluate("document.activeElement.id || document.activeElement.localName"))
    return seen


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1100, "height": 800}], ids=["phone", "laptop"])
async def test_where_the_panel_covers_the_page_the_tab_key_stays_in_it(new_page: NewPage, project: Project, viewport: ViewportSize) -> None:
    await project.publish("One", ["alice"])
    page = await new_page(viewport=viewport)
    await page.has_badge("1")
    await open_by_key(page)
    assert ("else" in await stops(page)) == (viewport != PHONE)
    if viewport == PHONE:
        await page.panel.get_by_role("button", name="Close").focus()
        await expect_keys_in_panel(page)
        await page.page.keyboard.press("Tab")
        await expect(page.page.locator("#else")).to_be_focused()


async def test_on_a_phone_a_touch_beside_the_panel_closes_it(new_page: NewPage) -> None:
    page = await new_page(viewport=PHONE)
    await open_by_key(page)
    await page.panel.get_by_role("button", name="Unread").click()
    await expect(page.panel).to_be_visible()
    await page.page.mouse.click(160, 10)
    await expect(page.panel).to_be_hidden()


async def test_when_the_window_becomes_narrow_the_open_panel_becomes_modal(new_page: NewPage, project: Project) -> None:
    await project.publish("One", ["alice"])
    page = await new_page()
    await page.has_badge("1")
    await open_by_key(page)
    await expect(page.row("One")).to_be_focused()
    await page.page.set_viewport_size(PHONE)
    await page.page.wait_for_function("inbox.shadowRoot.querySelector('.panel').matches(':modal')")
    await expect(page.row("One")).to_be_focused()
    await page.page.set_viewport_size({"width": 1100, "height": 800})
    await page.page.wait_for_function("inbox.shadowRoot.querySelector('.panel').matches(':popover-open')")
    await expect_keys_in_panel(page)
