"""Where Tidings answers, taken apart."""

from typing import Self
from urllib.parse import urlsplit

import msgspec


class Address(msgspec.Struct, frozen=True):
    """prefix: of every path, without a slash at its end."""

    url: str
    is_secure: bool
    host: str
    port: int
    host_header: str
    prefix: str

    @classmethod
    def of(cls, url: str) -> Self:
        """Raises ValueError for what is no http(s) URL."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ValueError(url)
        is_secure = parts.scheme == "https"
        return cls(
            url.rstrip("/"), is_secure, parts.hostname, parts.port or (443 if is_secure else 80), parts.netloc, parts.path.rstrip("/")
        )
