"""What pages load of us: /client/inbox.js and its like, for every site, in the smallest form that the browser takes.

A page that only wants it to work names `inbox.js`, and has a new one as soon as there is one. One that wants to hold it fast takes the name
with the hash and the integrity from `manifest.json`.
"""

from typing import Any

from litestar import Request, Response, Router, get
from litestar.datastructures import MutableScopeHeaders
from litestar.params import FromPath
from litestar.types import Message, Scope

from tidings.browser.encodings import best_encoding
from tidings.browser.files import FILES, MANIFEST, BrowserFile, Encoded
from tidings.errors import NotFound

PATH = "/client"
NOT_BUILT = "The browser's files were not built here. `make browser` builds them; then start this process again."
# A module script of another site needs CORS, and a page that isolates itself (COEP) the second. Nothing here is anybody's secret.
FOR_EVERY_SITE = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}
NARROWER = [f"Access-Control-{what}" for what in ("Allow-Credentials", "Allow-Headers", "Allow-Methods", "Expose-Headers")]


@get("/{name:str}")
async def serve_file(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
    """One of the files; the name is looked up, never joined to a path."""
    file = FILES.get(name)
    if file is None:
        raise NotFound(f"There is no {name[:80]!r} here; {PATH}/{MANIFEST} names what there is." if FILES else NOT_BUILT)
    encoding = best_encoding(all_of(request, "accept-encoding"), file.encodings)
    return unless_known(request, file, encoding, file.encodings[encoding])


def unless_known(request: Request[Any, Any, Any], file: BrowserFile, encoding: str, encoded: Encoded) -> Response[bytes]:
    headers = {"ETag": encoded.etag, "Cache-Control": file.cache_control}
    if is_known(all_of(request, "if-none-match"), encoded.etag):
        return Response(b"", status_code=304, headers=headers)
    if encoding != "identity":
        headers["Content-Encoding"] = encoding
    return Response(encoded.content, media_type=file.media_type, headers=headers)


def is_known(if_none_match: str, etag: str) -> bool:
    """By weak comparison (RFC 9110 §13.1.2): a proxy that compresses makes a strong tag a weak one."""
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in known or "*" in known


def all_of(request: Request[Any, Any, Any], name: str) -> str:
    """A header that may come in several lines."""
    return ",".join(request.headers.getall(name, []))


async def open_to_every_site(message: Message, scope: Scope) -> None:
    """Has the last word on an answer of ours: Litestar's CORS would name one origin, and put Vary: Origin over our own.

    A cache would then keep for a year what one site may use, in a coding that the next browser may not know.
    """
    if message["type"] == "http.response.start" and scope["path"].startswith(f"{PATH}/"):
        headers = MutableScopeHeaders.from_message(message)
        for name in NARROWER:
            headers.pop(name, None)
        headers.update(FOR_EVERY_SITE)


router = Router(path=PATH, route_handlers=[serve_file], include_in_schema=False)
