"""The files of the page, read once and kept: they are few, small, and part of the package."""

import hashlib
from importlib import resources

import msgspec

MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class Asset(msgspec.Struct, frozen=True):
    content: bytes
    media_type: str
    etag: str


def load_assets() -> dict[str, Asset]:
    found = {}
    for file in (resources.files("tidings.demo") / "static").iterdir():
        media_type = MEDIA_TYPES.get("." + file.name.rpartition(".")[2])
        if media_type is not None:
            content = file.read_bytes()
            found[file.name] = Asset(content, media_type, f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"')
    return found


ASSETS = load_assets()
PAGE = ASSETS["page.html"]
