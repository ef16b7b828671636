"""A notification in Block Kit (https://docs.slack.dev/reference/block-kit/blocks)."""

from collections.abc import Iterator
from typing import Any

from tidings.deliveries.connectors.lengths import cut, cut_until, utf16_length
from tidings.deliveries.connectors.links import absolute
from tidings.deliveries.connectors.notified import Notified

MOST_HEADER = 150
MOST_SECTION = 3000
MOST_URL = 3000
ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

Block = dict[str, Any]


def message_of(notification: Notified, link_base: str | None) -> dict[str, Any]:
    """text: what stands in Slack's own notifications, and where blocks cannot be shown."""
    return {"text": escaped(notification.title), "blocks": list(blocks(notification, absolute(notification.url, link_base)))}


def blocks(notification: Notified, link: str | None) -> Iterator[Block]:
    yield {"type": "header", "text": plain(cut(notification.title, MOST_HEADER))}
    if notification.body:
        # verbatim: otherwise @channel and #names in it would become mentions and links.
        yield {"type": "section", "text": {"type": "mrkdwn", "text": section(notification.body), "verbatim": True}}
    if link and len(link) <= MOST_URL:
        yield {"type": "actions", "elements": [{"type": "button", "text": plain("Open"), "url": link}]}
    if notification.category:
        yield {"type": "context", "elements": [plain(notification.category)]}


def plain(text: str) -> Block:
    # Without emoji, ":x:" stays what it is.
    return {"type": "plain_text", "text": text, "emoji": False}


def section(body: str) -> str:
    """Measured as it is escaped, and cut before that: half an entity would be shown as it is."""
    return escaped(cut_until(body, lambda shorter: utf16_length(escaped(shorter)) <= MOST_SECTION))


def escaped(text: str) -> str:
    """What has a meaning in mrkdwn beyond how the text looks: <!channel>, <@U1>, <https://…|…>."""
    return text.translate(ESCAPES)
