"""Every request by its name: taken from the caller or made, in each of its lines and in its answer. Sampled ones are spans."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from tidings.platform.telemetry.belonging import Belonging, belong_to, new_request, request_in
from tidings.platform.telemetry.context import Context
from tidings.platform.telemetry.spans import Span, sampled, tracing

# What ASGI hands over, as its specification names it.
Message: TypeAlias = Any
Scope: TypeAlias = Any
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


NO_TRACE: tuple[Context | None, str | None] = (None, None)


class NamedRequests:
    """An ASGI application in front of another."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = traceparent = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                given = value
            elif name == b"traceparent":
                traceparent = value
        # Nearly always there is nothing to ask.
        context, caused_by = NO_TRACE if traceparent is None and tracing.take is None else tracing.asked(traceparent)
        request = new_request() if given is None and traceparent is None else request_in(given, None if traceparent is None else context)
        about = Belonging(request, context)
        belong_to(about)
        header = (b"x-request-id", request.encode())

        # No coroutine of its own: the answer's is handed on.
        def send_named(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], header]
            return send(message)

        if context is None or sampled(context) is None:
            await self.app(scope, receive, send_named)
        else:
            await self.recorded(scope, receive, send_named, about, caused_by)

    async def recorded(self, scope: Scope, receive: Receive, send: Send, about: Belonging, caused_by: str | None) -> None:
        begun_ns, status = time.time_ns(), 0

        def send_seen(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        try:
            await self.app(scope, receive, send_seen)
        finally:
            record(scope, about, caused_by, begun_ns, status)


def record(scope: Scope, about: Belonging, caused_by: str | None, begun_ns: int, status: int) -> None:
    """status: 0 when there was no answer."""
    assert about.context is not None
    assert about.request is not None
    # Litestar's name of the route. The short way for publishes, which it does not see, has no parameters in its paths.
    route = scope.get("path_template") or (scope["path"] if 200 <= status < 300 else "")
    attributes: dict[str, str | int] = {
        "http.request.method": scope["method"],
        "http.route": route,
        "http.response.status_code": status,
        "tidings.request": about.request,
    }
    if about.project is not None:
        attributes["tidings.project"] = about.project
    tracing.record(
        Span(
            name=f"{scope['method']} {route}".strip(),
            context=about.context,
            parent=caused_by,
            start_ns=begun_ns,
            end_ns=time.time_ns(),
            kind="server",
            attributes=attributes,
            failure=f"http_{status}" if status >= 500 or status == 0 else None,
        )
    )
