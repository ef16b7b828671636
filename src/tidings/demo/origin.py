"""The demo's routes ask for no credential, so another site open in the same browser must not be able to use them."""

from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from tidings.errors import Forbidden


async def refuse_other_sites(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard. Browsers name the sender in headers that no script can set; what sends neither is no browser. Raises Forbidden."""
    headers = connection.headers
    site = headers.get("sec-fetch-site", "same-origin")
    origin = headers.get("origin")
    if site != "same-origin" or (origin is not None and not is_same(origin, headers.get("host", ""))):
        raise Forbidden("Only the demo page itself may ask this.")


def is_same(origin: str, host: str) -> bool:
    """Whether an Origin (RFC 6454) names this host. `null`, of a sandboxed page, does not."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower() != ""
    except ValueError:
        return False
