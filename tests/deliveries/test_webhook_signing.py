"""Signatures, checked by the packages that receivers use, and by the specification's own vectors."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks
import svix.webhooks
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tidings.deliveries.connectors.connector import Destination
from tidings.deliveries.connectors.webhook.connector import headers_of
from tidings.deliveries.connectors.webhook.signing import new_private_key, new_secret, public_key_of, signature, signature_header

BODY = b'{"type":"notification.created","data":{"title":"Gr\xc3\xbc\xc3\x9fe"}}'


def now() -> datetime:
    """Receivers refuse what is older than five minutes."""
    return datetime.now(UTC)


def endpoint(*signing: dict[str, str | None]) -> Destination:
    return Destination(1, "ep_1", 1, "prj_1", 0, "webhook", {"url": "https://x"}, {"signing": list(signing), "headers": {}}, None)


@pytest.mark.parametrize("library", [standardwebhooks.Webhook, svix.webhooks.Webhook])
def test_receivers_libraries_verify_what_is_sent(library: type) -> None:
    secret = new_secret()
    headers = headers_of(endpoint({"key": secret, "until": None}), "msg_1", BODY, now())
    library(secret).verify(BODY, headers)


@pytest.mark.parametrize("library", [standardwebhooks.Webhook, svix.webhooks.Webhook])
def test_during_a_rotation_both_secrets_verify_and_afterwards_the_new_one_alone(library: type) -> None:
    old, new = new_secret(), new_secret()
    signing = ({"key": new, "until": None}, {"key": old, "until": (now() + timedelta(hours=1)).isoformat()})
    headers = headers_of(endpoint(*signing), "msg_1", BODY, now())
    for secret in (old, new):
        library(secret).verify(BODY, headers)
    later = headers_of(endpoint(*signing), "msg_1", BODY, now() + timedelta(hours=2))
    assert len(later["webhook-signature"].split()) == 1


@pytest.mark.parametrize("library", [standardwebhooks.Webhook, svix.webhooks.Webhook])
def test_another_body_does_not_verify(library: type) -> None:
    secret = new_secret()
    headers = headers_of(endpoint({"key": secret, "until": None}), "msg_1", BODY, now())
    with pytest.raises((standardwebhooks.WebhookVerificationError, svix.webhooks.WebhookVerificationError)):
        library(secret).verify(BODY + b" ", headers)


def test_v1_is_as_in_the_specification() -> None:
    # https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, and its libraries' tests.
    content = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    assert signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", content) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_v1a_verifies_with_the_public_key_and_with_no_other() -> None:
    key = new_private_key()
    header = signature_header([key], "msg_1", 1614265330, BODY)
    version, _, encoded = header.partition(",")
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key_of(key).removeprefix("whpk_")))
    assert version == "v1a"
    public.verify(base64.b64decode(encoded), b"msg_1.1614265330." + BODY)
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(encoded), b"msg_2.1614265330." + BODY)


def test_v1a_signs_as_ed25519_does_in_its_own_vectors() -> None:
    # RFC 8032 §7.1, test 2.
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    key = "whsk_" + base64.b64encode(seed).decode()
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signed = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert public_key_of(key) == "whpk_" + base64.b64encode(public).decode()
    assert signature(key, bytes.fromhex("72")) == "v1a," + base64.b64encode(bytes.fromhex(signed)).decode()
