"""The demo page in the hands of a test."""

from dataclasses import dataclass

from playwright.async_api import Locator, Page, expect

# On a busy machine one that waits between two tries has been seen to take 15 s.
SOON_MS = 45_000


@dataclass
class DemoPage:
    """The page in the hands of a visitor. said: what the browser's console said."""

    page: Page
    said: list[str]

    def device(self, name: str) -> Locator:
        """name: ana-laptop, ana-phone or ben-laptop."""
        return self.page.locator(f"[data-device={name}]")

    def item(self, device: str, title: str) -> Locator:
        return self.device(device).locator("article").filter(has_text=title)

    async def is_unread(self, device: str, title: str, is_unread: bool = True) -> None:
        await expect(self.item(device, title).locator("[part~=dot]")).to_have_text("Unread" if is_unread else "", timeout=SOON_MS)

    async def has_unread(self, device: str, count: int) -> None:
        """As the inbox of the device counts."""
        await expect(self.device(device).locator("[part~=figure]")).to_have_text(str(count or ""), timeout=SOON_MS)

    async def send(self, to: str, title: str) -> None:
        await self.page.locator(f".segments label:has(input[value={to}])").click()
        await self.page.get_by_label("Title").fill(title)
        await self.page.get_by_role("button", name="Send", exact=True).click()
        await expect(self.page.locator("#sent li").first).to_contain_text(title, timeout=SOON_MS)

    async def all_live(self) -> None:
        await expect(self.page.locator(".device[data-state=live]")).to_have_count(3, timeout=SOON_MS)
