"""What a visitor of the demo page sees, in a real browser on real processes."""

import re

from playwright.async_api import expect
from running import Api, Project

from demo.demo_page import SOON_MS, DemoPage

MILLISECONDS = re.compile(r"^\d+(\.\d)? (ms|s) from click to screen$")


async def titles(demo: DemoPage, device: str) -> list[str]:
    """Newest first, as the page shows them."""
    return await demo.device(device).locator("article [part~=title]").all_inner_texts()


async def test_a_message_reaches_both_devices_of_a_person_with_the_measured_time(demo: DemoPage) -> None:
    await demo.send("ana", "Your export is ready")

    for device in ("ana-laptop", "ana-phone"):
        await expect(demo.item(device, "Your export is ready")).to_be_visible(timeout=SOON_MS)
        await expect(demo.device(device).locator(".notice")).to_have_text(MILLISECONDS, timeout=SOON_MS)
        await demo.has_unread(device, 1)
    await expect(demo.page.locator("#sent li").first.locator(".took")).to_contain_text("2 screens")
    assert await titles(demo, "ben-laptop") == []


async def test_the_topic_reaches_both_people(demo: DemoPage) -> None:
    await demo.send("topic", "Version 2.4 is out")

    for device in ("ana-laptop", "ana-phone", "ben-laptop"):
        await expect(demo.item(device, "Version 2.4 is out")).to_be_visible(timeout=SOON_MS)


async def test_what_is_read_on_one_device_is_read_on_the_other(demo: DemoPage) -> None:
    await demo.send("both", "Read me")
    await demo.is_unread("ana-phone", "Read me")

    await demo.item("ana-laptop", "Read me").locator("[part~=title]").click()

    await demo.is_unread("ana-phone", "Read me", False)
    await demo.has_unread("ana-phone", 0)
    # Another person's inbox is another person's.
    await demo.is_unread("ben-laptop", "Read me")


async def test_mark_all_read_archive_and_retract_are_followed(demo: DemoPage) -> None:
    for title in ("First", "Second", "Third"):
        await demo.send("ana", title)
    await expect(demo.device("ana-phone").locator("article")).to_have_count(3, timeout=SOON_MS)

    await demo.device("ana-laptop").get_by_role("button", name="Mark all as read").click()
    await demo.has_unread("ana-phone", 0)

    await demo.item("ana-laptop", "Second").hover()
    await demo.item("ana-laptop", "Second").get_by_role("button", name="Archive").click()
    await expect(demo.item("ana-phone", "Second")).to_have_count(0, timeout=SOON_MS)

    await demo.page.get_by_role("button", name="Retract “First”").click()
    for device in ("ana-laptop", "ana-phone"):
        await expect(demo.item(device, "First")).to_have_count(0, timeout=SOON_MS)
        assert await titles(demo, device) == ["Third"]


async def test_a_device_that_was_unplugged_gets_what_it_missed_in_order_and_once(demo: DemoPage) -> None:
    await demo.send("ana", "Before")
    await expect(demo.item("ana-phone", "Before")).to_be_visible(timeout=SOON_MS)

    await demo.device("ana-phone").get_by_role("button", name="Pull the plug").click()
    for title in ("Missed one", "Missed two", "Missed three"):
        await demo.send("ana", title)
        await expect(demo.item("ana-laptop", title)).to_be_visible(timeout=SOON_MS)
    await demo.item("ana-laptop", "Before").locator("[part~=title]").click()
    await demo.is_unread("ana-laptop", "Before", False)
    assert await titles(demo, "ana-phone") == ["Before"]
    await demo.is_unread("ana-phone", "Before")

    await demo.device("ana-phone").get_by_role("button", name="Plug in").click()
    await expect(demo.device("ana-phone").locator(".notice")).to_have_text("Back. 3 missed, 3 delivered.", timeout=SOON_MS)
    # The notice is of the stream; the inbox draws what came in its next frame.
    await expect(demo.device("ana-phone").locator("article")).to_have_count(4, timeout=SOON_MS)
    assert await titles(demo, "ana-phone") == ["Missed three", "Missed two", "Missed one", "Before"]
    await demo.is_unread("ana-phone", "Before", False)
    await demo.has_unread("ana-phone", 3)


async def test_every_device_comes_back_by_itself_after_the_server_was_killed(demo: DemoPage, demo_api: Api, demo_project: Project) -> None:
    await demo_api.kill()
    await expect(demo.page.locator(".device[data-state=reconnecting]")).to_have_count(3, timeout=SOON_MS)
    # Through another process: only the one that serves the page is gone.
    await demo_project.publish("While away", ["ana", "ben"])
    await demo_api.start()
    await demo_api.ready()

    await demo.all_live()
    for device in ("ana-laptop", "ana-phone", "ben-laptop"):
        await expect(demo.item(device, "While away")).to_have_count(1, timeout=SOON_MS)
    # The browser says itself that its requests were refused meanwhile.
    assert all("ERR_" in line for line in demo.said)
    demo.said.clear()


async def test_the_page_is_used_by_keyboard_alone(demo: DemoPage) -> None:
    await demo.page.get_by_label("Title").fill("By keyboard")
    await demo.page.get_by_label("Title").press("Enter")
    await expect(demo.item("ana-laptop", "By keyboard")).to_be_visible(timeout=SOON_MS)

    await demo.device("ana-laptop").get_by_role("button", name="Pull the plug").focus()
    # Past the inbox's own buttons, views and categories, to the message.
    while not await demo.item("ana-laptop", "By keyboard").evaluate("(row) => row.matches(':focus')"):
        await demo.page.keyboard.press("Tab")
    await demo.page.keyboard.press("Enter")

    await demo.is_unread("ana-phone", "By keyboard", False)
