"""What a webhook endpoint is made of: what stands open in its config, and what is sealed."""

from datetime import datetime
from typing import Literal

import msgspec

Signature = Literal["v1", "v1a"]


class WebhookConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """headers: the names of its own ones."""

    url: str
    signature: Signature = "v1"
    headers: list[str] = []


class SigningKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """until: when it stops signing, of one that was rotated."""

    key: str
    until: datetime | None = None


class WebhookCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """signing: the newest first.   headers: by their names."""

    signing: list[SigningKey]
    headers: dict[str, str] = {}
