"""A site of its own origin, as a customer's is: a page with an inbox, and the file that loads Tidings' service worker."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from inbox.inbox_page import InboxPage
from playwright.async_api import BrowserContext, CDPSession, Worker
from running import until

# Of docs/browser.md, for the worker's file too; 'self' is the site's own script.
POLICY = "default-src 'none'; script-src {tidings} 'self'; connect-src {tidings}; worker-src 'self'"
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{path}</title>
<script type="module" src="{tidings}/client/inbox.js"></script>
{inbox}
<script src="/page.js"></script>
</html>"""
INBOX = '<tidings-inbox url="{tidings}" {attributes}></tidings-inbox>'
SCRIPT = """
const inbox = document.querySelector("tidings-inbox");
window.told = [];
window.asked = 0;
navigator.serviceWorker.addEventListener("message", () => (asked += 1));
if (inbox) {
  inbox.token = () => window.freshToken();
  inbox.addEventListener("tidings-open", (event) => {
    told.push(event.detail.item);
    if (event.detail.item.url) event.preventDefault();
  });
}
"""
LOADS_OURS = 'importScripts("{tidings}/client/push-worker.js");\n'
# Tells a test what has been shown: Chromium forgets a notification when it is asked for all in the moment in which one is being shown.
# And it is patient: on a busy machine a page takes longer to answer than the worker waits.
WATCHED = """
self.shows = [];
const show = registration.showNotification.bind(registration);
registration.showNotification = (title, options) => show(title, options).then(() => shows.push(title));
const wait = setTimeout;
self.setTimeout = (then, ms) => wait(then, 10 * ms);
"""
# A worker that a page had before: it shows its own pushes, and answers its own words.
THEIRS = """
addEventListener("push", (event) => event.waitUntil(registration.showNotification("Theirs", { body: event.data.text() })));
addEventListener("notificationclick", (event) => (self.theirClicks = (self.theirClicks ?? 0) + 1));
"""

# No push service can be reached from a test, so the browser's own subscription is played, with real keys. It outlives the page.
SUBSCRIBE = """
const KEPT = "played subscription";
const text = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
const played = () => {
  const kept = JSON.parse(localStorage.getItem(KEPT));
  return kept && {
    options: { userVisibleOnly: true, applicationServerKey: bytes(kept.key).buffer },
    toJSON: () => kept.subscription,
    unsubscribe: async () => (localStorage.removeItem(KEPT), true),
  };
};
PushManager.prototype.getSubscription = async () => played();
PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
  if (!userVisibleOnly) throw new DOMException("userVisibleOnly is missing", "NotAllowedError");
  const { publicKey } = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, true, ["deriveBits"]);
  const keys = { p256dh: text(await crypto.subtle.exportKey("raw", publicKey)), auth: text(crypto.getRandomValues(new Uint8Array(16))) };
  const subscription = { endpoint: `https://push.example/${crypto.randomUUID()}`, expirationTime: null, keys };
  localStorage.setItem(KEPT, JSON.stringify({ key: text(applicationServerKey), subscription }));
  return played();
};
"""


@dataclass
class Site:
    """tidings: where the API answers, another origin.   worker: what /tidings-push.js is."""

    tidings: str
    url: str = ""
    worker: str = LOADS_OURS

    async def answer(self, request: web.Request) -> web.Response:
        files = {"/page.js": SCRIPT, "/tidings-push.js": WATCHED + self.worker.format(tidings=self.tidings), "/theirs.js": THEIRS}
        headers = {"Content-Security-Policy": POLICY.format(tidings=self.tidings)}
        if request.path in files:
            return web.Response(text=files[request.path], content_type="text/javascript", headers=headers)
        has_inbox = request.path != "/without-inbox"
        inbox = INBOX.format(tidings=self.tidings, attributes=request.query.get("attributes", "")) if has_inbox else ""
        page = PAGE.format(path=request.path, tidings=self.tidings, inbox=inbox)
        return web.Response(text=page, content_type="text/html", headers=headers)


@dataclass
class Visitor:
    """A browser with notifications allowed."""

    site: Site
    context: BrowserContext

    async def open(self, mint: Callable[[], Awaitable[str]], path: str = "/", attributes: str = "push=/tidings-push.js") -> InboxPage:
        page = await self.context.new_page()
        shown = InboxPage(page)
        page.on("console", lambda message: shown.said.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: shown.said.append(str(error)))
        await page.route("**/favicon.ico", lambda route: asyncio.ensure_future(route.fulfill(status=204)))
        await page.add_init_script(f"{{ {SUBSCRIBE} }}")
        await page.expose_function("freshToken", mint)
        await page.goto(f"{self.site.url}{path}?attributes={attributes}")
        return shown


async def registration_of(page: InboxPage, script: str = "/tidings-push.js") -> tuple[CDPSession, str]:
    """The registration's id for the devtools, once it is active; and the session that knows it."""
    session = await page.page.context.new_cdp_session(page.page)
    scopes: dict[str, str] = {}
    active: set[str] = set()

    def take_registrations(event: dict[str, Any]) -> None:
        scopes.update({one["registrationId"]: one["scopeURL"] for one in event["registrations"]})

    def take_versions(event: dict[str, Any]) -> None:
        active.update(
            one["registrationId"] for one in event["versions"] if one["status"] == "activated" and one["scriptURL"].endswith(script)
        )

    session.on("ServiceWorker.workerRegistrationUpdated", take_registrations)
    session.on("ServiceWorker.workerVersionUpdated", take_versions)
    await session.send("ServiceWorker.enable")

    async def found() -> str | None:
        return next((one for one in active if one in scopes), None)

    return session, await until(found, what=f"{script} is active")


async def deliver(page: InboxPage, origin: str, payload: Any, script: str = "/tidings-push.js") -> None:
    """A push event, as the browser dispatches it for a message that its push service has brought and it has decrypted."""
    session, registration = await registration_of(page, script)
    data = payload if isinstance(payload, str) else json.dumps(payload)
    await session.send("ServiceWorker.deliverPushMessage", {"origin": origin, "registrationId": registration, "data": data})
    await session.detach()


async def worker_of(context: BrowserContext, script: str = "/tidings-push.js") -> Worker:
    async def found() -> Worker | None:
        return next((one for one in context.service_workers if one.url.endswith(script)), None)

    worker: Worker = await until(found, what="the worker runs")
    return worker


async def shown_in(worker: Worker) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = await worker.evaluate(
        "async () => (await registration.getNotifications()).map(({ title, body, tag }) => ({ title, body, tag }))"
    )
    return shown


async def click(worker: Worker, title: str) -> None:
    """A click on what is shown. The event is dispatched by hand, which is why the browser lets it neither wait, focus nor open a window."""
    await worker.evaluate(
        """async (title) => {
            ExtendableEvent.prototype.waitUntil = () => {};
            self.opened = [];
            self.clients.openWindow = async (url) => void opened.push(url);
            const notification = (await registration.getNotifications()).find((one) => one.title === title);
            self.dispatchEvent(new NotificationEvent("notificationclick", { notification }));
        }""",
        title,
    )
