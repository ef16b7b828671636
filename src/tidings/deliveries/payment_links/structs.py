"""What goes over the wire about payment links."""

from typing import Annotated

import msgspec
from msgspec import Meta

Price = Annotated[str, Meta(max_length=255, pattern=r"^price_[A-Za-z0-9_]+$(?!\n)", examples=["price_1MoBy5LkdIwHu7ixZhnattbh"])]
# What Stripe takes at most (https://docs.stripe.com/api/metadata). An empty value takes a key away there.
MetadataKey = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[^\[\]\x00-\x1f\x7f]+$(?!\n)")]
MetadataValue = Annotated[str, Meta(min_length=1, max_length=500)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Meta(max_length=50, examples=[{"order": "17"}])]
# Printable ASCII without a backslash, as addresses of push services (push/structs.py). Braces: Stripe fills in {CHECKOUT_SESSION_ID}.
AfterCompletion = Annotated[
    str, Meta(max_length=2048, pattern=r"^https://[A-Za-z0-9\[][!-\[\]-~]*$(?!\n)", examples=["https://shop.example.com/thanks"])
]


class NewPaymentLink(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be paid. price: as Stripe calls it.   metadata: Stripe hands it on to the payment, for your own books.

    after_completion_url: where who has paid is led; otherwise Stripe says thank you.
    """

    price: Price
    quantity: Annotated[int, Meta(ge=1, le=999_999)] = 1
    metadata: Metadata | None = None
    after_completion_url: AfterCompletion | None = None


class PaymentLink(msgspec.Struct, frozen=True):
    """A payment link. url: what an action of a notification leads to. Whoever has it may pay by it, and more than once."""

    id: Annotated[str, Meta(max_length=255, pattern=r"^plink_[A-Za-z0-9_]+$(?!\n)", examples=["plink_1MoC3ULkdIwHu7ixZjtGpVl2"])]
    url: Annotated[str, Meta(max_length=2048, examples=["https://buy.stripe.com/test_cN25nr0iZ7bUa7meUY"])]
