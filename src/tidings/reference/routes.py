"""The API's documentation page at /docs, made from the OpenAPI document; no script, nothing from elsewhere."""

from functools import cache
from pathlib import Path
from typing import Any

from litestar import Request, Response, Router, get

from tidings.reference.page import render

STYLE = Path(__file__).with_name("reference.css")
HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'", "Cache-Control": "no-cache"}


@get("/docs", include_in_schema=False)
async def reference(request: Request[Any, Any, Any]) -> Response[str]:
    return Response(render(request.app.openapi_schema.to_schema()), media_type="text/html", headers=HEADERS)


@get("/docs/reference.css", include_in_schema=False)
async def stylesheet() -> Response[str]:
    return Response(style(), media_type="text/css", headers={"Cache-Control": "no-cache"})


@cache
def style() -> str:
    return STYLE.read_text()


router = Router(path="/", route_handlers=[reference, stylesheet])
