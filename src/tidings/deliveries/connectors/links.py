"""Where a notification leads. Its url may be a path of the product, which outside of the product means nothing without a base."""

from typing import Annotated

from msgspec import Meta
from yarl import URL

from tidings.errors import Invalid

LinkBase = Annotated[str, Meta(max_length=500, examples=["https://app.example.com/"])]


def absolute(url: str | None, base: str | None) -> str | None:
    """Percent-encoded, http or https; None when that cannot be had.   base: an integration's `link_base`."""
    if not url:
        return None
    try:
        link = URL(base).join(URL(url)) if base else URL(url)
    except ValueError:
        return None
    return str(link) if link.scheme in ("http", "https") and link.host else None


def check_link_base(base: str | None) -> None:
    """Raises Invalid."""
    if base is not None and absolute(base, None) is None:
        raise Invalid("This must be a whole URL, as in https://app.example.com/.", field="config.link_base")
