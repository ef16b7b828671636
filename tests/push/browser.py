"""A browser, as the push routes see one."""

import base64
import secrets
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from running import Project


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def new_subscription(**other: Any) -> dict[str, Any]:
    """What PushSubscription.toJSON() gives, of a browser that nobody has seen."""
    point = generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return {
        "endpoint": f"https://push.example.net/send/{secrets.token_urlsafe(60)}",
        "expirationTime": None,
        "keys": {"p256dh": base64url(point), "auth": base64url(secrets.token_bytes(16))},
    } | other


class Browser:
    """Signed in as one person."""

    def __init__(self, project: Project, token: str, agent: str = "Browser/1") -> None:
        self.project = project
        self.headers = {"Authorization": f"Bearer {token}", "User-Agent": agent}

    async def call(self, method: str, path: str, body: Any = None, *, expect: int | None = None) -> Any:
        return await self.project.call(method, path, body, expect=expect, **self.headers)

    async def shows(self, subscription: dict[str, Any]) -> str:
        """The id."""
        return str((await self.call("PUT", "/v1/push/subscriptions", subscription, expect=200))["id"])


async def browser_of(project: Project, person: str, agent: str = "Browser/1") -> Browser:
    return Browser(project, await project.token(person), agent)


async def browsers_of(project: Project, person: str) -> list[str]:
    """Their ids, as the product sees them."""
    return [one["id"] for one in (await project.call("GET", f"/v1/subscribers/{person}/push-subscriptions"))["items"]]
