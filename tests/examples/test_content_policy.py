"""The content security policy of docs/browser.md is enough: on a page of another site, with the integrity of the manifest."""

import aiohttp
from playwright.async_api import Browser, Route, expect
from running import Project, Running

SITE = "http://app.localhost"
POLICY = "default-src 'none'; script-src {tidings}; connect-src {tidings}"
PAGE = """<!doctype html>
<html lang="de">
  <head>
    <meta charset="utf-8">
    <title>Strict</title>
    <script type="module" crossorigin src="{tidings}/client/{path}" integrity="{integrity}"></script>
  </head>
  <body><tidings-inbox url="{tidings}" token="{token}" toast sound desktop></tidings-inbox></body>
</html>"""
SOON_MS = 15_000


async def test_the_policy_of_the_documentation_is_enough(browser: Browser, project: Project, tidings: Running) -> None:
    said: list[str] = []
    async with aiohttp.ClientSession() as session, session.get(f"{project.base_url}/client/manifest.json") as answer:
        inbox = (await answer.json())["files"]["inbox.js"]
    body = PAGE.format(tidings=project.base_url, path=inbox["path"], integrity=inbox["integrity"], token=await project.token("ana"))
    headers = {"Content-Type": "text/html", "Content-Security-Policy": POLICY.format(tidings=project.base_url)}

    async def serve_page(route: Route) -> None:
        await route.fulfill(body=body, headers=headers)

    context = await browser.new_context()
    page = await context.new_page()
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    await page.route(f"{SITE}/page", serve_page)
    await page.goto(f"{SITE}/page")
    await project.publish("Your export is ready", ["ana"])
    element = page.locator("tidings-inbox")
    await expect(element.locator("[part~=badge]")).to_have_text("1", timeout=SOON_MS)
    await element.locator("[part~=bell]").click()
    await expect(element.get_by_role("article")).to_contain_text("Your export is ready")
    # Its words and its style came too.
    await expect(element.locator("h2")).to_have_text("Mitteilungen")
    await expect(element.locator("[part~=panel]")).to_have_css("position", "fixed")
    await context.close()
    assert said == []
