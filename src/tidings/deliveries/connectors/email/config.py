"""The settings of an integration that concern the letter, not how it is carried."""

from typing import Annotated

import msgspec
from msgspec import Meta

from tidings.deliveries.connectors.email.address import mailbox
from tidings.deliveries.connectors.links import LinkBase, check_link_base
from tidings.errors import Invalid
from tidings.recipients.structs import PLAIN

Address = Annotated[str, Meta(min_length=3, max_length=320)]
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=PLAIN)]


class EmailConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """sender: `from`.   link_base: of your product, for notifications whose url is a path.

    unsubscribe: whether letters offer it; by default where Tidings is reached by https, without which mail programs show no button
    (RFC 8058 §3.1). False is for letters that nobody may refuse, as those about a person's account.
    """

    sender: Address = msgspec.field(name="from")
    from_name: Name | None = None
    reply_to: Address | None = None
    link_base: LinkBase | None = None
    unsubscribe: bool | None = None


def check_email_config(config: EmailConfig) -> None:
    """Raises Invalid."""
    check_sender(config.sender, "config.from")
    if config.reply_to is not None:
        check_sender(config.reply_to, "config.reply_to")
    check_link_base(config.link_base)


def check_sender(text: str, field: str) -> None:
    try:
        if not mailbox(text).is_ascii:
            raise ValueError("many servers take only ASCII before the @ of a sender")
    except ValueError as error:
        raise Invalid(f"This is no address to send from: {error}.", field=field) from None
