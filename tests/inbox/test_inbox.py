"""What a visitor sees of their inbox, on one device and on another."""

from functools import partial

from inbox.conftest import NewPage
from inbox.inbox_page import SOON_MS, InboxPage
from playwright.async_api import expect
from running import Project, until


async def publish(project: Project, *titles: str, to: str = "alice", **more: object) -> list[str]:
    return [await project.publish(title, [to], **more) for title in titles]


async def are_clicked(project: Project, titles: list[str]) -> bool:
    """Whether the log tells of clicks on these, and on no others."""
    events = (await project.call("GET", "/v1/events?after=0"))["events"]
    known = {event["data"]["id"]: event["data"]["title"] for event in events if event["type"] == "notification.created"}
    return [known[one] for event in events if event["type"] == "inbox.clicked" for one in event["data"]["ids"]] == titles


async def test_the_bell_counts_what_is_unread_and_the_panel_lists_it_newest_first(new_page: NewPage, project: Project) -> None:
    await publish(project, "First", "Second")
    page = await new_page()
    await page.has_badge("2")
    await page.open()
    await expect(page.rows).to_have_count(2, timeout=SOON_MS)
    assert [text.split("\n")[0] for text in await page.rows.locator("[part~=title]").all_inner_texts()] == ["Second", "First"]


async def test_what_arrives_is_there_at_once(new_page: NewPage, project: Project) -> None:
    page = await new_page()
    await page.live()
    await page.open()
    await publish(project, "Fresh", body="Just now", category="builds")
    await expect(page.row("Fresh")).to_contain_text("Just now", timeout=SOON_MS)
    await page.has_badge("1")
    assert [detail["item"]["title"] for detail in await page.told("tidings-arrival")] == ["Fresh"]


async def test_a_click_opens_and_reads_and_the_other_device_follows(new_page: NewPage, project: Project) -> None:
    await publish(project, "Read me", "Leave me", url="/there")
    laptop, phone = await new_page(), await new_page()
    await laptop.open()
    await laptop.row("Read me").locator("[part~=title]").click()
    await until(partial(are_clicked, project, ["Read me"]), 20)
    await laptop.has_badge("1")
    await phone.has_badge("1")
    assert [detail["item"]["title"] for detail in await laptop.told("tidings-open")] == ["Read me"]


async def test_archiving_can_be_undone_and_is_followed_when_it_is_not(new_page: NewPage, project: Project) -> None:
    await publish(project, "Keep", "Put away")
    laptop, phone = await new_page(), await new_page()
    await laptop.open()
    await phone.open()
    await expect(phone.rows).to_have_count(2, timeout=SOON_MS)
    for title in ("Keep", "Put away"):
        await laptop.row(title).hover()
        await laptop.row(title).get_by_role("button", name="Archive").click()
        await expect(laptop.row(title)).to_have_count(0)
        if title == "Keep":
            await laptop.panel.get_by_role("button", name="Undo").click()
            await expect(laptop.row(title)).to_have_count(1)
    await expect(phone.row("Put away")).to_have_count(0, timeout=SOON_MS)
    await expect(phone.row("Keep")).to_have_count(1)


async def test_there_is_time_to_undo_as_long_as_one_points_at_it_or_is_in_it(new_page: NewPage, project: Project) -> None:
    await publish(project, "Put away", "Also away", "Last")
    page = await new_page()
    await page.page.clock.install()
    await page.open()
    await expect(page.rows).to_have_count(3, timeout=SOON_MS)
    bar = page.panel.locator("[part~=bar]")
    for title, come, leave in (
        ("Put away", bar.hover, page.panel.locator("h2").hover),
        ("Also away", bar.get_by_role("button", name="Undo").focus, page.panel.get_by_role("button", name="Settings").focus),
    ):
        await page.row(title).hover()
        await page.row(title).get_by_role("button", name="Archive").click()
        await expect(bar).to_be_visible()
        await come()
        await page.page.clock.run_for(10_000)
        await expect(bar).to_be_visible()
        await leave()
        await page.page.clock.run_for(10_000)
        await expect(bar).to_be_hidden()
    # It is not held by a button that was pressed and has gone.
    await page.row("Last").hover()
    await page.row("Last").get_by_role("button", name="Archive").click()
    await bar.get_by_role("button", name="Undo").focus()
    await page.page.keyboard.press("Enter")
    await expect(bar).to_be_hidden()
    await page.row("Last").hover()
    await page.row("Last").get_by_role("button", name="Archive").click()
    await expect(bar).to_be_visible()
    await page.page.clock.run_for(10_000)
    await expect(bar).to_be_hidden()


async def test_mark_all_as_read_is_followed(new_page: NewPage, project: Project) -> None:
    await publish(project, "One", "Two", "Three")
    laptop, phone = await new_page(), await new_page()
    await laptop.open()
    await expect(laptop.rows).to_have_count(3, timeout=SOON_MS)
    await laptop.panel.get_by_role("button", name="Mark all as read").click()
    await laptop.has_badge("")
    await phone.has_badge("")


async def test_a_mark_that_the_server_refuses_is_taken_back_with_a_word(new_page: NewPage, project: Project) -> None:
    await publish(project, "Stubborn")
    page = await new_page()
    await page.open()
    await page.has_badge("1")
    await page.page.route("**/v1/inbox/read", lambda route: route.fulfill(status=422, content_type="application/problem+json", body="{}"))
    await page.row("Stubborn").hover()
    await page.row("Stubborn").get_by_role("button", name="Mark as read").click()
    await expect(page.panel).to_contain_text("could not be saved", timeout=SOON_MS)
    await page.has_badge("1")
    page.said.clear()  # the browser's own word about the 422


async def test_a_retraction_leaves_the_screen(new_page: NewPage, project: Project) -> None:
    [identity] = await publish(project, "A mistake")
    page = await new_page()
    await page.open()
    await expect(page.row("A mistake")).to_have_count(1, timeout=SOON_MS)
    await project.call("DELETE", f"/v1/notifications/{identity}")
    await expect(page.row("A mistake")).to_have_count(0, timeout=SOON_MS)
    await page.has_badge("")


async def test_views_and_categories_filter(new_page: NewPage, project: Project) -> None:
    await publish(project, "Bill", category="billing")
    await publish(project, "Build", category="builds")
    page = await new_page()
    await page.open()
    await page.row("Bill").locator("[part~=title]").click()
    await page.panel.get_by_role("button", name="Unread").first.click()
    await expect(page.row("Build")).to_have_count(1, timeout=SOON_MS)
    await page.panel.get_by_role("button", name="All", exact=True).click()
    await page.panel.get_by_role("button", name="Billing").click()
    await expect(page.row("Build")).to_have_count(0, timeout=SOON_MS)
    await expect(page.row("Bill")).to_have_count(1)


async def test_actions_of_a_notification_are_buttons_and_tell_the_page(new_page: NewPage, project: Project) -> None:
    actions = [{"label": "Approve", "id": "yes", "style": "primary"}, {"label": "Evil", "url": "javascript:alert(1)"}]
    await publish(project, "Approve this", data={"actions": actions})
    page = await new_page()
    await page.open()
    await page.row("Approve this").get_by_text("Approve", exact=True).click()
    assert [detail["action"]["id"] for detail in await page.told("tidings-action")] == ["yes"]
    await until(partial(are_clicked, project, ["Approve this"]), 20)
    assert await page.element.locator("a[href^='javascript']").count() == 0


async def test_offline_is_said_and_what_was_missed_comes_when_it_is_over(new_page: NewPage, project: Project) -> None:
    page = await new_page()
    await page.open()
    await publish(project, "Before")
    await expect(page.row("Before")).to_have_count(1, timeout=SOON_MS)
    await page.page.context.set_offline(True)
    await expect(page.panel).to_contain_text("offline", timeout=SOON_MS)
    await publish(project, "Meanwhile")
    await page.page.context.set_offline(False)
    await expect(page.row("Meanwhile")).to_have_count(1, timeout=SOON_MS)
    page.said.clear()  # the browser's own words about requests that failed


async def test_an_empty_inbox_says_so(new_page: NewPage) -> None:
    page = await new_page()
    await page.open()
    await expect(page.panel).to_contain_text("all caught up", timeout=SOON_MS)


async def test_markup_in_a_notification_is_text(new_page: NewPage, project: Project) -> None:
    await publish(project, "<img src=x onerror=told.push('hacked')>", body="<b>bold</b>")
    page = await new_page()
    await page.open()
    await expect(page.rows).to_contain_text("<img src=x", timeout=SOON_MS)
    assert await page.element.locator("img").count() == 0


async def test_ten_thousand_items_are_scrolled_with_few_rows_drawn(new_page: NewPage, project: Project) -> None:
    for start in range(0, 10_000, 1000):
        batch = [{"to": ["alice"], "title": f"Item {number}"} for number in range(start, start + 1000)]
        await project.call("POST", "/v1/notifications/batch", {"notifications": batch})
    page = await new_page()
    await page.open()
    await page.has_badge("99+")
    await expect(page.rows.first).to_be_visible(timeout=SOON_MS)
    await page.page.keyboard.press("ArrowDown")
    most = 0
    # To the end, as far as there is more, by the key that goes there.
    while not await is_last(page):
        await page.page.keyboard.press("End")
        most = max(most, await page.rows.count())
    await expect(page.rows.last).to_contain_text("Item 0")
    assert most < 60


async def is_last(page: InboxPage) -> bool:
    return await page.rows.last.get_attribute("aria-posinset") == "10000"
