"""What Apprise is given. It turns plain text into what the service takes, and cuts it to the service's length."""

import msgspec

from tidings.deliveries.connectors.links import absolute
from tidings.deliveries.connectors.notified import Notified


class Text(msgspec.Struct, frozen=True):
    """body: never empty, since Apprise sends nothing without."""

    title: str
    body: str


def text_of(notification: Notified, link_base: str | None) -> Text:
    lines = [line for line in (notification.body, absolute(notification.url, link_base)) if line]
    return Text(notification.title, "\n".join(lines)) if lines else Text("", notification.title)
