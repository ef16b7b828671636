"""A notification as an Adaptive Card (https://adaptivecards.io/schemas/1.4.0/adaptive-card.json)."""

from collections.abc import Iterator
from typing import Any

import msgspec

from tidings.deliveries.connectors.lengths import cut_until
from tidings.deliveries.connectors.links import absolute
from tidings.deliveries.connectors.notified import Notified

# 28 KB by https://learn.microsoft.com/connectors/teams/, counted as Teams stores it; senders saw 413 from 21 KB on.
MOST_BYTES = 20_000
CARD = "application/vnd.microsoft.card.adaptive"

Element = dict[str, Any]


def message_of(notification: Notified, link_base: str | None) -> dict[str, Any]:
    link = absolute(notification.url, link_base)
    if not notification.body:
        return message(notification, None, link)
    return message(notification, cut_until(notification.body, lambda shorter: fits(message(notification, shorter, link))), link)


def fits(whole: dict[str, Any]) -> bool:
    return len(msgspec.json.encode(whole)) <= MOST_BYTES


def message(notification: Notified, body: str | None, link: str | None) -> dict[str, Any]:
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": notification.title,
        "body": list(elements(notification, body)),
    }
    if link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": link}]
    return {"type": "message", "attachments": [{"contentType": CARD, "contentUrl": None, "content": card}]}


def elements(notification: Notified, body: str | None) -> Iterator[Element]:
    yield text(notification.title, size="large", weight="bolder")
    if body:
        yield text(body)
    if notification.category:
        yield text(notification.category, size="small", isSubtle=True)


def text(words: str, **style: Any) -> Element:
    """A TextRun is shown as it is; a TextBlock would be read as Markdown, in each client somewhat otherwise."""
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": words} | style]}
