"""The API's documentation page at /docs, made from the OpenAPI document; no script, nothing from elsewhere."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.response import Redirect

from tidings.reference.examples import with_examples
from tidings.reference.page import render
from tidings.settings import Settings

STYLE = Path(__file__).with_name("reference.css")
HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'", "Cache-Control": "no-cache"}


@get("/", include_in_schema=False)
async def front(settings: NamedDependency[Settings]) -> Redirect:
    """Where somebody who opens the address of the API wants to go."""
    return Redirect("/demo" if settings.demo_project else "/docs")


@get("/openapi.json", include_in_schema=False)
async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(document_of(request.app), media_type="application/json", headers={"Cache-Control": "no-cache"})


@get("/docs", include_in_schema=False)
async def reference(request: Request[Any, Any, Any]) -> Response[str]:
    return Response(render(msgspec.json.decode(document_of(request.app))), media_type="text/html", headers=HEADERS)


@cache
def document_of(app: Litestar) -> bytes:
    return msgspec.json.encode(with_examples(app.openapi_schema.to_schema()))


@get("/docs/reference.css", include_in_schema=False)
async def stylesheet() -> Response[str]:
    return Response(style(), media_type="text/css", headers={"Cache-Control": "no-cache"})


@cache
def style() -> str:
    return STYLE.read_text()


router = Router(path="/", route_handlers=[front, openapi, reference, stylesheet])
