"""An example of each connector, for what all of them must pass (`test_contract.py`): one function each, in EXAMPLES by its name.

It says what an integration of it is made of and leads it to the far end of the test, whose address is `ground.url`: by its config where
that has one, else by setting the constant that holds the service's address, with `ground.patch`. Each credential holds `CANARY`.
"""

import asyncio
import base64
import email
import email.policy
import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import pytest
from outbound.ground import Handle

from connectors.push_service import Browser
from tidings.access.principals import Tenant
from tidings.platform.postgres import Database, tenant_transaction
from tidings.push.keys import ensure_public_key
from tidings.vault import Vault

# What must come out nowhere. In letters and digits, so that it fits into most credentials, and is found in all ways to write them.
CANARY = "canary7Qx2Vb9LkT4zWm"


@dataclass(frozen=True)
class Ground:
    """url: of the far end, `http://127.0.0.1:PORT`.   patch: undone after the test.   project: of the test's own."""

    url: str
    patch: pytest.MonkeyPatch
    database: Database
    vault: Vault
    project: Tenant


@dataclass(frozen=True)
class Example:
    """config, credentials: as they are sent to /v1/integrations.

    urls: its members that hold a URL, as in `config.url`.
    accepts: status and body by which the far end says that it took a delivery.   serves: the far end that takes one, where it is no HTTP.
    texts: what people read in what the far end got (over HTTP, in the body of one request); None where it is encrypted, or is not sent.
    to: members of the Claimed, where the person of the test will not do.   data: members of the event's data.
    """

    config: Mapping[str, Any]
    credentials: Mapping[str, Any]
    urls: tuple[str, ...] = ()
    accepts: tuple[int, bytes] = (200, b"{}")
    serves: Callable[[list[bytes]], Handle] | None = None
    texts: Callable[[bytes], str] | None = None
    to: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)


async def webhook(ground: Ground) -> Example:
    key = {"key": "whsec_" + CANARY * 2, "until": None}
    return Example(
        config={"url": ground.url + "/hook", "headers": ["Authorization"]},
        credentials={"signing": [key], "headers": {"Authorization": f"Bearer {CANARY}"}},
        urls=("config.url",),
        texts=lambda body: "\n".join(str(json.loads(body)["data"][name]) for name in ("title", "body")),
    )


async def smtp(ground: Ground) -> Example:
    host, _, port = ground.url.removeprefix("http://").partition(":")
    ground.patch.setattr("tidings.deliveries.connectors.smtp.connecting.COMMAND_S", 0.5)
    return Example(
        config={"host": host, "port": int(port), "security": "none", "from": "news@example.com"},
        credentials={"username": "tidings", "password": CANARY},
        serves=mail_server,
        texts=letter_in,
    )


def mail_server(got: list[bytes]) -> Handle:
    """As much of SMTP as a letter needs; what it says in between is in mail_server.py."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 example.com ESMTP\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                got.append(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(SMTP_ANSWERS.get(verb, b"250 2.0.0 OK\r\n"))
            await writer.drain()

    return handle


SMTP_ANSWERS = {
    b"EHLO": b"250-example.com\r\n250-AUTH PLAIN\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n",
    b"AUTH": b"235 2.7.0 welcome\r\n",
    b"QUIT": b"221 2.0.0 bye\r\n",
}


def letter_in(content: bytes) -> str:
    """Its subject and its text."""
    message = email.message_from_bytes(content.removesuffix(b".\r\n"), policy=email.policy.SMTPUTF8)
    text = message.get_body(("plain",))
    assert text is not None
    return f"{message['subject']}\n{text.get_content()}"


async def ses(ground: Ground) -> Example:
    return Example(
        config={"region": "eu-central-1", "endpoint": ground.url, "from": "news@example.com"},
        credentials={"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": CANARY},
        urls=("config.endpoint",),
        accepts=(200, b'{"MessageId": "1"}'),
        texts=lambda body: letter_in(base64.b64decode(json.loads(body)["Content"]["Raw"]["Data"])),
    )


async def slack(ground: Ground) -> Example:
    url = f"{ground.url}/services/T00000000/B00000000/{CANARY}ABCD"
    return Example({}, {"url": url}, urls=("credentials.url",), accepts=(200, b"ok"), texts=texts_in_json)


async def discord(ground: Ground) -> Example:
    url = f"{ground.url}/api/webhooks/123/{CANARY}"
    return Example({}, {"url": url}, urls=("credentials.url",), accepts=(200, b'{"id": "1"}'), texts=texts_in_json)


async def teams(ground: Ground) -> Example:
    url = f"{ground.url}/workflows/1/triggers/manual/paths/invoke?api-version=2016-06-01&sig={CANARY}"
    return Example({}, {"url": url}, urls=("credentials.url",), accepts=(202, b""), texts=texts_in_json)


async def twilio(ground: Ground) -> Example:
    ground.patch.setattr("tidings.deliveries.connectors.twilio.connector.API", ground.url)
    return Example(
        config={"account_sid": "AC" + "0" * 32, "from": "+15005550006"},
        credentials={"auth_token": CANARY + "0" * 12},
        accepts=(201, b'{"sid": "SM1", "status": "queued"}'),
        texts=lambda body: parse_qs(body.decode())["Body"][0],
    )


async def web_push(ground: Ground) -> Example:
    """What a browser gets only it can read: see test_web_push.py."""
    async with tenant_transaction(ground.database, ground.project.id) as connection:
        await ensure_public_key(connection, ground.vault, ground.project.id)
    browser = Browser("phone")
    await ground.database.system.execute(
        """INSERT INTO push_subscriptions (project, id, subscriber, endpoint, p256dh, auth, created_at, updated_at)
        VALUES ($1, 'psh_phone', 1, $2, $3, $4, now(), now())""",
        *(ground.project.id, f"{ground.url}/push/{CANARY}", browser.p256dh, browser.auth),
    )
    return Example({"contact": "mailto:ops@example.com"}, {}, accepts=(201, b""))


async def segment(ground: Ground) -> Example:
    ground.patch.setitem(sys.modules["tidings.deliveries.connectors.segment.connector"].URLS, "us", ground.url + "/v1/batch")
    return Example(config={}, credentials={"write_key": CANARY})


async def posthog(ground: Ground) -> Example:
    return Example(config={"host": ground.url}, credentials={"api_key": "phc_" + CANARY}, urls=("config.host",))


async def mixpanel(ground: Ground) -> Example:
    ground.patch.setitem(sys.modules["tidings.deliveries.connectors.mixpanel.connector"].URLS, "us", ground.url + "/import")
    return Example(config={}, credentials={"token": CANARY})


async def google_analytics(ground: Ground) -> Example:
    ground.patch.setitem(sys.modules["tidings.deliveries.connectors.google_analytics.connector"].BASES, "global", ground.url)
    return Example(config={"measurement_id": "G-1A2B3C4D5E"}, credentials={"api_secret": CANARY})


async def stripe_meter(ground: Ground) -> Example:
    ground.patch.setattr("tidings.deliveries.connectors.stripe_meter.connector.BASE", ground.url)
    return Example(config={"event_name": "notifications_sent", "customer": "cus_NciAYcXfLnqBoz"}, credentials={"key": "rk_test_" + CANARY})


async def apprise(ground: Ground) -> Example:
    url = ground.url.replace("http://", "json://") + f"/{CANARY}"
    return Example(
        config={}, credentials={"url": url}, texts=lambda body: "\n".join(json.loads(body)[name] for name in ("title", "message"))
    )


def texts_in_json(body: bytes) -> str:
    """All texts that stand anywhere in it."""
    return "\n".join(every_text(json.loads(body)))


def every_text(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from every_text(one)


EXAMPLES: dict[str, Callable[[Ground], Awaitable[Example]]] = {
    "webhook": webhook,
    "smtp": smtp,
    "ses": ses,
    "slack": slack,
    "discord": discord,
    "teams": teams,
    "twilio": twilio,
    "web_push": web_push,
    "segment": segment,
    "posthog": posthog,
    "mixpanel": mixpanel,
    "google_analytics": google_analytics,
    "stripe_meter": stripe_meter,
    "apprise": apprise,
}
