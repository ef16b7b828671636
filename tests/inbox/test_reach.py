"""The inbox for whoever uses a keyboard, a screen reader, another language, another direction, a phone."""

from pathlib import Path

import pytest
from inbox.conftest import NewPage
from inbox.inbox_page import SOON_MS, InboxPage
from playwright.async_api import expect
from running import Project

AXE = Path(__file__).parents[2] / "src" / "client" / "node_modules" / "axe-core" / "axe.min.js"


async def violations(page: InboxPage) -> list[str]:
    await page.page.add_script_tag(path=AXE)
    found: list[str] = await page.page.evaluate(
        "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`))"
    )
    return found


async def fill(project: Project) -> None:
    actions = [{"label": "Accept", "id": "yes", "style": "primary"}, {"label": "Decline", "id": "no"}]
    await project.publish("Jonas invited you to Atlas", ["alice"], body="You would join as an editor.", data={"actions": actions})
    await project.publish("Payment failed", ["alice"], body="The card was declined.", category="billing", priority="critical")
    await project.publish("Deploy finished", ["alice"], category="deploys", url="/deploys/1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "open"])
async def test_axe_finds_nothing(new_page: NewPage, project: Project, scheme: str, is_open: bool) -> None:
    await fill(project)
    page = await new_page(color_scheme=scheme, reduced_motion="reduce")
    await page.has_badge("3")
    if is_open:
        await page.open()
        await expect(page.rows).to_have_count(3, timeout=SOON_MS)
    assert await violations(page) == []


async def test_axe_finds_nothing_in_an_empty_inbox_and_in_its_settings(new_page: NewPage) -> None:
    page = await new_page("sound desktop toast", reduced_motion="reduce")
    await page.open()
    await page.panel.get_by_role("button", name="Settings").click()
    assert await violations(page) == []


async def test_everything_can_be_done_by_keyboard(new_page: NewPage, project: Project) -> None:
    await fill(project)
    page = await new_page()
    await page.has_badge("3")
    keyboard = page.page.keyboard
    await page.bell.focus()
    await keyboard.press("Enter")
    await expect(page.panel).to_be_visible()
    await expect(page.rows).to_have_count(3, timeout=SOON_MS)
    await expect(page.row("Deploy finished")).to_be_focused()
    await keyboard.press("PageDown")
    await expect(page.row("Payment failed")).to_be_focused()
    await keyboard.press("u")
    await page.has_badge("2")
    await keyboard.press("e")
    await expect(page.row("Payment failed")).to_have_count(0)
    # The focus goes to the neighbour, not to the top of the page.
    await expect(page.row("Jonas")).to_be_focused()
    await keyboard.press("Home")
    await keyboard.press("Enter")
    assert [detail["item"]["title"] for detail in await page.told("tidings-open")] == ["Deploy finished"]
    await keyboard.press("Escape")
    await expect(page.panel).to_be_hidden()
    await expect(page.bell).to_be_focused()


async def test_the_bell_says_how_many_are_unread_and_whether_the_panel_is_open(new_page: NewPage, project: Project) -> None:
    await fill(project)
    page = await new_page()
    await page.has_badge("3")
    assert "3" in (await page.bell.get_attribute("aria-label") or "")
    assert await page.bell.get_attribute("aria-expanded") == "false"
    await page.open()
    assert await page.bell.get_attribute("aria-expanded") == "true"


async def test_the_feed_says_its_positions(new_page: NewPage, project: Project) -> None:
    await fill(project)
    page = await new_page()
    await page.open()
    await expect(page.rows).to_have_count(3, timeout=SOON_MS)
    assert await page.element.locator("[role=feed]").count() == 1
    positions = [(await row.get_attribute("aria-posinset"), await row.get_attribute("aria-setsize")) for row in await page.rows.all()]
    assert positions == [("1", "3"), ("2", "3"), ("3", "3")]


async def test_the_name_of_the_bell_has_what_one_sees_of_it(new_page: NewPage, project: Project) -> None:
    await project.call("POST", "/v1/notifications/batch", {"notifications": [{"to": ["alice"], "title": "One"}] * 100})
    page = await new_page()
    await page.has_badge("99+")
    assert "99+" in (await page.bell.get_attribute("aria-label") or "")


async def test_in_forced_colours_one_sees_what_is_chosen(new_page: NewPage, project: Project) -> None:
    """Colours of the page are gone then, and its shadows."""
    await fill(project)
    page = await new_page("sound", forced_colors="active", reduced_motion="reduce")
    await page.has_badge("3")
    await page.open()
    await page.panel.get_by_role("button", name="Settings").click()
    await page.panel.get_by_role("button", name="Billing").click()
    await expect(page.rows).to_have_count(1, timeout=SOON_MS)

    async def style(element: str, name: str, pseudo: str = "") -> str:
        look = "([element, name, pseudo]) => getComputedStyle(inbox.shadowRoot.querySelector(element), pseudo)[name]"
        return str(await page.page.evaluate(look, [element, name, pseudo]))

    def chosen(state: str, yes: bool) -> str:
        return f"[{state}={'true' if yes else 'false'}]"

    for element, state, name, pseudo in (
        (".chip", "aria-pressed", "backgroundColor", ""),
        (".tab", "aria-pressed", "borderBottomWidth", ""),
        (".switch", "aria-checked", "backgroundColor", "::after"),
    ):
        on, off = [await style(element + chosen(state, yes), name, pseudo) for yes in (True, False)]
        assert on != off, element
    assert [await style(element, "borderTopStyle") for element in (".panel", ".chip", ".action")] == ["solid"] * 3
    assert await style(".switch", "borderTopStyle", "::after") == "solid"


WORDS = {
    "en": "Notifications",
    "de": "Mitteilungen",
    "es": "Notificaciones",
    "fr": "Notifications",
    "ja": "通知",
    "ar": "الإشعارات",
}


@pytest.mark.parametrize("lang", WORDS)
async def test_it_speaks_the_language_of_the_page(new_page: NewPage, lang: str) -> None:
    page = await new_page(lang=lang, direction="rtl" if lang == "ar" else "ltr")
    await page.open()
    await expect(page.panel.locator("h2")).to_have_text(WORDS[lang])


async def test_right_to_left_the_panel_stands_at_the_bell_and_inside_the_page(new_page: NewPage, project: Project) -> None:
    await fill(project)
    page = await new_page(lang="ar", direction="rtl")
    await page.open()
    box = await page.panel.bounding_box()
    assert box is not None
    assert 0 <= box["x"] < 200
    assert await violations(page) == []


async def test_on_a_phone_the_panel_takes_the_width(new_page: NewPage, project: Project) -> None:
    await fill(project)
    page = await new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    await page.has_badge("3")
    await page.bell.tap()
    await expect(page.panel).to_be_visible()
    box = await page.panel.bounding_box()
    assert box is not None
    assert box["width"] >= 370
