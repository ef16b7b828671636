"""The shop's page in the hands of the tutorial's reader: each sentence of the tutorial about it, as something done or looked at."""

import re
from collections.abc import Awaitable, Callable

from playwright.async_api import Locator, Page, expect

SOON_MS = 15_000


async def visit(page: Page, url: str) -> None:
    await page.goto(url)
    await expect(page.locator("tidings-inbox [part~=bell]")).to_be_visible(timeout=SOON_MS)


async def close(page: Page) -> None:
    await page.close()


async def press(page: Page, button: str) -> None:
    await page.get_by_role("button", name=button).click()


async def open_the_bell(page: Page, title: str) -> None:
    await page.locator("tidings-inbox [part~=bell]").click()
    await expect(item(page, title)).to_be_visible(timeout=SOON_MS)


async def choose(page: Page, title: str) -> None:
    await item(page, title).click()


async def has_number(page: Page, number: str) -> None:
    await expect(page.locator("tidings-inbox [part~=badge]")).to_have_text(number, timeout=SOON_MS)


async def has_no_number(page: Page) -> None:
    await expect(page.locator("tidings-inbox [part~=badge]")).to_be_hidden(timeout=SOON_MS)


def item(page: Page, title: str) -> Locator:
    return page.locator("tidings-inbox").get_by_role("article").get_by_text(title)


SENTENCES: dict[str, Callable[..., Awaitable[None]]] = {
    r"Open (http://\S+)\.": visit,
    r"Close the page\.": close,
    r'Press "(.+)"\.': press,
    r'Click on the bell: there is "(.+)"\.': open_the_bell,
    r'Click on "(.+)": it is read\.': choose,
    r"The bell says (\d+)\b.*": has_number,
    r"(?:There is a bell, without a number|The bell has no number any more)\.": has_no_number,
}


async def play(page: Page, sentence: str) -> None:
    for says, does in SENTENCES.items():
        if found := re.fullmatch(says, sentence):
            return await does(page, *found.groups())
    raise AssertionError(f"Nobody knows how to play this: {sentence}")
