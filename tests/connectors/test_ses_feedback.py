"""What SES tells through SNS: signed with a key of the tests' own, which is fetched as SNS's is."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from re import compile as pattern
from re import escape
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from in_process import Api, given
from litestar import Litestar
from outbound.ground import Server, answering, serving

from connectors.mailing import reaching_with
from tidings.deliveries.connectors.ses.inbound import envelope, routes
from tidings.deliveries.connectors.ses.inbound.envelope import CERTIFICATE, CONFIRMATION, Certificates
from tidings.deliveries.connectors.ses.inbound.feedback import unreachable
from tidings.deliveries.suppressions.store import suppressed
from tidings.platform.problems import HANDLERS

TOPIC = "arn:aws:sns:eu-central-1:123456789012:ses-feedback"
CONFIG = {"from": "news@acme.example", "region": "eu-central-1", "topic_arn": TOPIC}
INSERT = "INSERT INTO destinations (project, key, connector, channel, config, secrets, events, created_by) "
INSERT += "VALUES ($1, $2, $3, 'email', $4, '', '{}', 'test')"
KEY = rsa.generate_private_key(65537, 2048)


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    about = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key()).serial_number(1)
    signed = about.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(KEY, hashes.SHA256())
    return signed.public_bytes(Encoding.PEM)


class Sns:
    """Sends as SNS does. seen: what it was asked for itself.

    https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html, https://docs.aws.amazon.com/sns/latest/dg/http-subscription-confirmation-json.html
    """

    def __init__(self, client: httpx.AsyncClient, server: Server, seen: list[bytes]) -> None:
        self.client = client
        self.url = f"http://127.0.0.1:{server.port}"
        self.seen = seen

    async def send(self, to: str, version: str = "2", signed: dict[str, str] | None = None, **changed: Any) -> httpx.Response:
        """changed: after it was signed."""
        message = {
            "Type": "Notification",
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": TOPIC,
            "Message": json.dumps(BOUNCE),
            "Timestamp": "2026-11-25T12:00:00.000Z",
            "SignatureVersion": version,
            "SigningCertURL": f"{self.url}/SimpleNotificationService-1.pem",
            "UnsubscribeURL": f"{self.url}/?Action=Unsubscribe",
        } | (signed or {})
        message["Signature"] = signature(message, version)
        body = json.dumps(message | changed)
        return await self.client.post(f"/v1/inbound/ses/{to}", content=body, headers={"Content-Type": "text/plain; charset=UTF-8"})


def signature(message: dict[str, str], version: str) -> str:
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    digest = hashes.SHA1() if version == "1" else hashes.SHA256()
    return base64.b64encode(KEY.sign(text.encode(), padding.PKCS1v15(), digest)).decode()


@pytest.fixture
async def sns(api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sns]:
    pem, seen = certificate(), list[bytes]()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(pem)
    async with serving(answering(head + pem, seen)) as server, reaching_with(api) as reach:
        here = escape(f"http://127.0.0.1:{server.port}/")
        monkeypatch.setattr(envelope, "CERTIFICATE", pattern(here + r"[A-Za-z0-9.-]+\.pem"))
        monkeypatch.setattr(routes, "CONFIRMATION", pattern(here + r"\?Action=ConfirmSubscription&.*"))
        monkeypatch.setattr(routes, "CERTIFICATES", Certificates())
        app = Litestar(
            route_handlers=[routes.router],
            dependencies={"database": given(api.database), "reach": given(reach)},
            exception_handlers=HANDLERS,
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://x") as client:
            yield Sns(client, server, seen)


@pytest.fixture
async def integration(api: Api) -> str:
    return await new_integration(api, CONFIG)


async def new_integration(api: Api, config: dict[str, Any], connector: str = "ses") -> str:
    key = f"int_{api.tenant.id}_{len(config)}_{connector}"
    await api.database.system.execute(INSERT, api.tenant.id, key, connector, json.dumps(config))
    return key


async def why(api: Api, address: str) -> set[str]:
    return set(await suppressed(api.database.system, api.tenant.id, "email", None, address))


# https://docs.aws.amazon.com/ses/latest/dg/notification-examples.html
BOUNCE = {
    "notificationType": "Bounce",
    "bounce": {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "bouncedRecipients": [
            {"emailAddress": "gone@example.com", "status": "5.1.1", "action": "failed"},
            {"emailAddress": "Jo <jo@example.com>"},
        ],
        "feedbackId": "00000137860315fd",
    },
    "mail": {"source": "news@acme.example", "destination": ["gone@example.com", "jo@example.com"]},
}
COMPLAINT: dict[str, Any] = {
    "eventType": "Complaint",
    "complaint": {"complainedRecipients": [{"emailAddress": "cross@example.com"}], "complaintFeedbackType": "abuse"},
}


@pytest.mark.parametrize("version", ["1", "2"])
async def test_an_address_that_bounced_for_good_is_suppressed(api: Api, sns: Sns, integration: str, version: str) -> None:
    for _ in range(2):
        assert (await sns.send(integration, version)).status_code == 204
    assert await why(api, "gone@example.com") == await why(api, "JO@example.com") == {"bounced"}
    assert await why(api, "news@acme.example") == set()
    # The certificate was fetched once.
    assert len(sns.seen) == 1


async def test_an_address_that_complained_is_suppressed(api: Api, sns: Sns, integration: str) -> None:
    signed = {"Message": json.dumps(COMPLAINT), "Subject": "Amazon SES Email Event Notification"}
    assert (await sns.send(integration, signed=signed)).status_code == 204
    assert await why(api, "cross@example.com") == {"complained"}


@pytest.mark.parametrize(
    "message",
    [
        {"notificationType": "Bounce", "bounce": {"bounceType": "Transient", "bouncedRecipients": [{"emailAddress": "a@example.com"}]}},
        COMPLAINT | {"complaint": COMPLAINT["complaint"] | {"complaintFeedbackType": "not-spam"}},
        {"notificationType": "Delivery", "delivery": {"recipients": ["a@example.com"]}},
        {"eventType": "Bounce"},
        {},
        [],
    ],
)  # fmt: skip
def test_everything_else_suppresses_nothing(message: Any) -> None:
    assert unreachable(json.dumps(message)) is None
    assert unreachable("Successfully validated SNS topic for Amazon SES event publishing.") is None


@pytest.mark.parametrize(
    "changed",
    [
        {"Message": json.dumps(COMPLAINT)},
        {"Signature": base64.b64encode(b"x" * 256).decode()},
        {"Signature": "!"},
        {"Timestamp": "2026-11-26T12:00:00.000Z"},
        {"SignatureVersion": "1"},
        {"Type": "UnsubscribeConfirmation"},
    ],
)
async def test_what_was_changed_on_the_way_is_refused(api: Api, sns: Sns, integration: str, changed: dict[str, str]) -> None:
    assert (await sns.send(integration, **changed)).status_code == 403
    assert await why(api, "gone@example.com") == await why(api, "cross@example.com") == set()


async def test_another_topic_is_not_believed_though_sns_signed_it(api: Api, sns: Sns, integration: str) -> None:
    answer = await sns.send(integration, signed={"TopicArn": TOPIC.replace("123456789012", "999999999999")})
    assert answer.status_code == 403
    assert "topic_arn" in answer.json()["detail"]
    assert (await sns.send(await new_integration(api, {"from": "news@acme.example", "region": "eu-central-1"}))).status_code == 403
    assert await why(api, "gone@example.com") == set()
    assert sns.seen == []


async def test_a_subscription_to_the_topic_is_confirmed(sns: Sns, integration: str) -> None:
    signed = {
        "Type": "SubscriptionConfirmation",
        "Message": "You have chosen to subscribe to the topic …",
        "Token": "2336412f37",
        "SubscribeURL": f"{sns.url}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
    }
    assert (await sns.send(integration, signed=signed)).status_code == 204
    assert sns.seen[-1].startswith(f"GET /?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37 ".encode())
    elsewhere = signed | {"SubscribeURL": "http://127.0.0.1:1/?Action=ConfirmSubscription&Token=x"}
    assert (await sns.send(integration, signed=elsewhere)).status_code == 403


async def test_a_certificate_that_cannot_be_had_is_asked_for_again(
    api: Api, sns: Sns, integration: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envelope, "CERTIFICATE", pattern(r"http://127\.0\.0\.1:\d+/.*"))
    answer = await sns.send(integration, signed={"SigningCertURL": "http://127.0.0.1:1/x.pem"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert (await sns.send(integration)).status_code == 204


async def test_what_is_no_message_of_sns(api: Api, sns: Sns, integration: str) -> None:
    for body in (b"", b"{}", b"[]", b"\xff", b'{"Type": "Other"}'):
        assert (await sns.client.post(f"/v1/inbound/ses/{integration}", content=body)).status_code == 400
    assert (await sns.send("int_unknown")).status_code == 404
    assert (await sns.send(await new_integration(api, CONFIG, "smtp"))).status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
        "https://evil.example/sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://evil.example#sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://user@sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com:8443/SimpleNotificationService-1.pem",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem?x=1",
        "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=x\n",
    ],
)
def test_urls_that_are_not_of_sns(url: str) -> None:
    assert not CERTIFICATE.fullmatch(url)
    assert not CONFIRMATION.fullmatch(url)


def test_urls_of_sns() -> None:
    assert CERTIFICATE.fullmatch("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-01d088a6f77103d0fe307c0069e40ed6.pem")
    assert CERTIFICATE.fullmatch("https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-3250158c6506d40628c21ed8dbd1d1ad.pem")
    assert CONFIRMATION.fullmatch(
        "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-west-2:123456789012:MyTopic&Token=2336412f37"
    )
