"""What an SMS says: title, body, link, in at most 1,600 characters (https://www.twilio.com/docs/api/errors/21617)."""

from tidings.deliveries.connectors.lengths import cut, utf16_length
from tidings.deliveries.connectors.links import absolute
from tidings.deliveries.connectors.notified import Notified

MOST = 1600


def text_of(notification: Notified, link_base: str | None) -> str:
    """The link is whole or not there: half of it would lead elsewhere."""
    words = f"{notification.title}\n{notification.body}" if notification.body else notification.title
    link = absolute(notification.url, link_base)
    room = MOST - utf16_length(f"\n{link}")
    if link is None or room < utf16_length(notification.title):
        return cut(words, MOST)
    return f"{cut(words, room)}\n{link}"
