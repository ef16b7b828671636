"""The OpenAPI 3.1 document: what it says beside what the routes say of themselves."""

from typing import Any

from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme, Server, Tag

from tidings import __version__
from tidings.settings import Settings

DESCRIPTION = """
One call reaches the right people: in the browser at once, and in their inbox for later.

**Who asks.** Your servers send an API key, browsers a subscriber token that your servers mint; both as `Authorization: Bearer …`.

**Errors** are RFC 9457 problems: `type`, `title`, `status`, `detail` (what to do), and `field` where one was wrong.

**Twice is once.** Send `Idempotency-Key` with any POST that creates: for 24 hours a repetition gets the same answer and does nothing.

**Lists** come in pages: give `next` as `after` for the following one.
"""

TAGS = [
    Tag("Notifications", "Publish, look at, retract."),
    Tag("Inbox", "What a subscriber has got, and what they did with it. With a subscriber token."),
    Tag("Stream", "Server-Sent Events, and long polling where a network buffers."),
    Tag("Subscribers", "The people."),
    Tag("Topics", "Named groups of people."),
    Tag("Tokens", "Subscriber tokens, and the keys that sign them."),
    Tag("Keys", "API keys."),
    Tag("Events", "The ordered log itself, for consumers that keep their own cursor."),
    Tag("Health", "For load balancers and operators."),
]

SCHEMES = {
    "apiKey": SecurityScheme(type="http", scheme="bearer", bearer_format="tdk_…", description="An API key."),
    "subscriberToken": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT", description="A subscriber token, ≤ 15 minutes."),
}


def openapi_config(settings: Settings) -> OpenAPIConfig:
    schemes: dict[str, Any] = dict(SCHEMES)
    return OpenAPIConfig(
        title="Tidings",
        version=__version__,
        description=DESCRIPTION,
        license=License("Apache-2.0", identifier="Apache-2.0"),
        servers=[Server(settings.base_url)],
        tags=TAGS,
        components=Components(security_schemes=schemes),
        security=[{"apiKey": []}],
        path="/",
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        use_handler_docstrings=True,
    )
