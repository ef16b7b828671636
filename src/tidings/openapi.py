"""The OpenAPI 3.1 document: what it says beside what the routes say of themselves."""

from typing import Any

from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    License,
    OpenAPI,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    PathItem,
    Reference,
    SecurityScheme,
    Server,
    Tag,
)

from tidings import __version__
from tidings.platform.problems import BY_STATUS, MEDIA_TYPE
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
    Tag("Web push", "The browsers that take notifications while no page is open."),
    Tag("Subscribers", "The people."),
    Tag("Topics", "Named groups of people."),
    Tag("Tokens", "Subscriber tokens, and the keys that sign them."),
    Tag("Keys", "API keys."),
    Tag("Endpoints", "URLs of yours that get what happens: webhooks, signed as Standard Webhooks say."),
    Tag("Integrations", "Mail servers, chats, SMS, push and analytics of yours, each through its connector."),
    Tag("Categories", "Through which channels a category of notifications goes, whatever each one names."),
    Tag("Deliveries", "What was sent to endpoints and integrations: every attempt, sending again, replays."),
    Tag("Sources", "Other services whose events become notifications: Stripe, GitHub, whatever sends Standard Webhooks."),
    Tag("Flags", "Feature flags of the project: variants, rules, rollouts, kill switches, and who changed what."),
    Tag("Backups", "For operators: what is done about backups of the whole deployment."),
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
        # Ours is at /openapi.json, with examples (reference/routes.py); Litestar must serve it somewhere.
        path="/openapi",
        render_plugins=[JsonRenderPlugin(path="/plain.json")],
        use_handler_docstrings=True,
    )


METHODS = ("get", "post", "put", "patch", "delete")
# What any operation may answer, whatever it does; and besides, one that has a body.
ANYWHERE = (400, 422, 500, 503)
WITH_CREDENTIAL = (401, 403)
WITH_BODY = (413, 415)


def complete(document: OpenAPI) -> OpenAPI:
    """Document the answers that no single route knows of: what is refused before it is asked."""
    for item in (document.paths or {}).values():
        for method in METHODS:
            operation = getattr(item, method) if isinstance(item, PathItem) else None
            if operation is not None:
                complete_operation(operation, takes_body=method in ("post", "put", "patch"))
    return document


def complete_operation(operation: Operation, takes_body: bool) -> None:
    answers = operation.responses = operation.responses or {}
    is_open = operation.security is not None and {} in operation.security
    common = ANYWHERE + (() if is_open else WITH_CREDENTIAL) + (WITH_BODY if takes_body else ())
    for status in common:
        answers.setdefault(str(status), problem_answer(status))
    for code, answer in answers.items():
        # These have no body (RFC 9110 §15.3.5, §15.4.5).
        if code in ("204", "304") and isinstance(answer, OpenAPIResponse):
            answer.content = None


def problem_answer(status: int) -> OpenAPIResponse:
    problem = OpenAPIMediaType(schema=Reference(ref="#/components/schemas/Problem"))
    return OpenAPIResponse(description=BY_STATUS[status].title, content={MEDIA_TYPE: problem})
