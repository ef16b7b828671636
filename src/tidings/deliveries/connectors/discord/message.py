"""A notification as an embed (https://docs.discord.com/developers/resources/message#embed-object)."""

import re
from typing import Any

from tidings.deliveries.connectors.lengths import cut_until, utf16_length
from tidings.deliveries.connectors.links import absolute
from tidings.deliveries.connectors.notified import Notified

# 6,000 in all, with the footer.
MOST_TITLE = 256
MOST_DESCRIPTION = 4096
MOST_URL = 2048
# What Discord reads as Markdown, some of it at the beginning of a line only. A URL is left alone: a backslash would become part of it.
MARKDOWN = re.compile(r"(https?://\S+)|([\\*_~`|<\[\]])|^([ \t]*)([>#-])", re.MULTILINE)


def message_of(notification: Notified, link_base: str | None) -> dict[str, Any]:
    embed: dict[str, Any] = {"title": shown(notification.title, MOST_TITLE), "timestamp": notification.created_at}
    if notification.body:
        embed["description"] = shown(notification.body, MOST_DESCRIPTION)
    link = absolute(notification.url, link_base)
    if link and len(link) <= MOST_URL:
        embed["url"] = link
    if notification.category:
        embed["footer"] = {"text": notification.category}
    # Nobody is pinged, whatever the text says.
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def shown(text: str, most: int) -> str:
    """Measured as it is escaped."""
    return escaped(cut_until(text, lambda shorter: utf16_length(escaped(shorter)) <= most))


def escaped(text: str) -> str:
    return MARKDOWN.sub(as_text, text)


def as_text(found: re.Match[str]) -> str:
    url, sign, indent, begins = found.groups()
    return url or (f"\\{sign}" if sign else f"{indent}\\{begins}")
