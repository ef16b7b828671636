"""The demo's routes ask for no credential, so another site open in the same browser must not be able to use them."""

from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from tidings.errors import Forbidden
from tidings.settings import Settings


async def refuse_other_sites(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard. Browsers name the sender in headers that no script can set; what sends neither is no browser. Raises Forbidden."""
    headers = connection.headers
    if not is_known(headers.get("host", ""), connection.app.state.tidings.settings):
        raise Forbidden("The demo is not at home under this host name; set TIDINGS_PUBLIC_URL.")
    site = headers.get("sec-fetch-site", "same-origin")
    origin = headers.get("origin")
    if site != "same-origin" or (origin is not None and not is_same(origin, headers.get("host", ""))):
        raise Forbidden("Only the demo page itself may ask this.")


def is_known(host: str, settings: Settings) -> bool:
    """Whether the Host is one of ours. Another site's name can be made to point here (DNS rebinding), and would then be `same-origin`."""
    name = urlsplit(f"//{host}").hostname
    return name in {"localhost", "127.0.0.1", "::1", settings.host, urlsplit(settings.base_url).hostname}


def is_same(origin: str, host: str) -> bool:
    """Whether an Origin (RFC 6454) names this host. `null`, of a sandboxed page, does not."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower() != ""
    except ValueError:
        return False
