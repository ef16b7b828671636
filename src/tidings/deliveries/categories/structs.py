"""What goes over the wire about categories."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from litestar.params import Parameter
from msgspec import Meta

# As in NewNotification.category.
PATTERN = r"^[A-Za-z0-9_.:-]{1,100}$(?!\n)"
CategoryInPath = Annotated[str, Parameter(pattern=PATTERN, description="As notifications name it.")]
Category = Annotated[str, Meta(examples=["exports"])]
# Those that have to be named. Webhooks and analytics get events by filters of their own.
Channel = Literal["chat", "email", "sms", "push"]
Channels = Annotated[list[Channel], Meta(min_length=1, max_length=4, examples=[["email", "push"]])]


class CategoryFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """channels: through which its notifications go, besides those that a notification names itself."""

    channels: Channels


class CategoryInfo(msgspec.Struct, frozen=True):
    """channels: through which its notifications go, besides those that a notification names itself."""

    category: Category
    channels: list[Channel]
    updated_at: datetime


class CategoryPage(msgspec.Struct, frozen=True):
    items: list[CategoryInfo]
    next: str | None
