"""Pages and notifications that are not made for an inbox: shadow roots, headers with filters, low windows, long words, odd languages."""

import pytest
from inbox.conftest import NewPage
from inbox.inbox_page import SOON_MS
from playwright.async_api import expect
from running import Project


async def test_inside_a_closed_shadow_root_a_click_in_the_panel_leaves_it_open(new_page: NewPage) -> None:
    page = await new_page()
    await page.page.evaluate("document.querySelector('main').attachShadow({ mode: 'closed' }).append(inbox)")
    await page.page.wait_for_function("inbox.inbox?.getState().status.name === 'ready'")
    await page.page.evaluate("inbox.open()")
    await page.page.wait_for_function("!inbox.shadowRoot.querySelector('.panel').hidden")
    x, y = await page.page.evaluate("(({ x, y }) => [x + 5, y + 5])(inbox.shadowRoot.querySelectorAll('.tab')[1].getBoundingClientRect())")
    await page.page.mouse.click(x, y)
    assert await page.page.evaluate("inbox.inbox.getState().view") == "unread"
    assert await page.page.evaluate("!inbox.shadowRoot.querySelector('.panel').hidden")
    await page.page.mouse.click(5, 700)
    assert await page.page.evaluate("inbox.shadowRoot.querySelector('.panel').hidden")


async def test_a_card_stands_in_the_corner_of_the_window_whatever_it_is_in(new_page: NewPage, project: Project) -> None:
    page = await new_page("toast")
    await page.page.evaluate("document.querySelector('header').style.backdropFilter = 'blur(8px)'")
    await page.live()
    await project.publish("Look here", ["alice"])
    card = page.element.locator("[part~=toast]")
    await expect(card).to_contain_text("Look here", timeout=SOON_MS)
    box = await card.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] == pytest.approx(1100 - 16, abs=9)
    assert box["y"] + box["height"] == pytest.approx(800 - 16, abs=9)


@pytest.mark.parametrize("width", [320, 1100])
async def test_long_words_stay_inside_the_panel(new_page: NewPage, project: Project, width: int) -> None:
    actions = [{"label": "L" * 300, "id": "yes"}]
    await project.publish("W" * 200, ["alice"], body="W" * 500, category="c" * 100, data={"actions": actions})
    page = await new_page(viewport={"width": width, "height": 800})
    await page.has_badge("1")
    await page.open()
    await expect(page.rows).to_have_count(1, timeout=SOON_MS)
    scroller = page.panel.locator("[part~=scroller]")
    assert await scroller.evaluate("({ scrollWidth, clientWidth }) => scrollWidth - clientWidth") == 0
    panel = await page.panel.bounding_box()
    assert panel is not None
    for part in ("row", "title", "body", "category", "action", "chip"):
        box = await page.panel.locator(f"[part~={part}]").first.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= panel["x"] + panel["width"], part


@pytest.mark.parametrize("lang", ["en-US@posix", "de-", "constructor", "__proto__"])
async def test_a_language_that_is_none_leaves_an_inbox(new_page: NewPage, lang: str) -> None:
    page = await new_page(lang=lang)
    await page.open()
    await expect(page.panel.locator("h2")).to_have_text("Mitteilungen" if lang == "de-" else "Notifications")


async def test_a_text_stands_in_its_own_direction(new_page: NewPage, project: Project) -> None:
    await project.publish("مرحبا (1)", ["alice"], body="5 ملفات.")
    page = await new_page()
    await page.open()
    await expect(page.rows).to_have_count(1, timeout=SOON_MS)
    for part in ("title", "body"):
        assert await page.panel.locator(f"[part~={part}]").evaluate("(node) => getComputedStyle(node).direction") == "rtl"


@pytest.mark.parametrize(("size", "above"), [((320, 256), 0), ((640, 360), 0), ((900, 320), 130)])
async def test_in_a_low_window_there_is_still_a_list(new_page: NewPage, project: Project, size: tuple[int, int], above: int) -> None:
    await project.publish("One", ["alice"], category="billing")
    page = await new_page(viewport={"width": size[0], "height": size[1]})
    await page.page.evaluate("(above) => document.querySelector('header').style.marginTop = `${above}px`", above)
    await page.has_badge("1")
    await page.open()
    await page.panel.get_by_role("button", name="Settings").click()
    await expect(page.rows).to_have_count(1, timeout=SOON_MS)
    assert await page.page.evaluate("inbox.shadowRoot.querySelector('.scroller').clientHeight") >= 100
    await page.row("One").scroll_into_view_if_needed()
    await expect(page.row("One")).to_be_in_viewport(ratio=0.5)


async def test_who_is_offline_from_the_start_is_told_so(new_page: NewPage) -> None:
    page = await new_page("hidden")
    await page.page.context.set_offline(True)
    await page.page.evaluate("inbox.token = () => 'any'; inbox.hidden = false")
    await page.page.wait_for_function("inbox.inbox?.getState().status.name === 'failed'")
    await page.open()
    await expect(page.panel).to_contain_text("You’re offline", timeout=SOON_MS)
    page.said.clear()  # the browser's own words about requests that failed


async def test_a_token_as_text_that_has_expired_is_disconnected(new_page: NewPage) -> None:
    page = await new_page()
    await page.page.evaluate("inbox.token = 'expired'")
    await page.page.wait_for_function("inbox.inbox?.getState().status.name === 'failed'")
    await page.open()
    await expect(page.panel.locator("[part~=word]")).to_have_text("Disconnected", timeout=SOON_MS)
    page.said.clear()  # the browser's own words about requests that failed


async def test_without_the_file_of_its_look_the_panel_opens_all_the_same(new_page: NewPage, project: Project) -> None:
    await project.publish("One", ["alice"])
    page = await new_page("hidden")
    await page.page.route("**/panel-*.js", lambda route: route.abort())
    await page.page.reload()
    await page.page.evaluate("inbox.hidden = false")
    await page.open()
    await expect(page.row("One")).to_be_visible(timeout=SOON_MS)
    page.said.clear()  # the browser's own word about the file
