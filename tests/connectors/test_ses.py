"""Mail through SES: against moto's server, which checks signatures as AWS does, and a server that answers what SES may answer."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import SMTPUTF8
from typing import Any

import boto3
import msgspec
import pytest
import requests
from aiohttp import web
from in_process import Api
from moto.server import ThreadedMotoServer

from connectors.far_end import ALLOWING, PUBLIC, FarEnd, Got, claimed, destination, far_end, is_in
from connectors.mailing import ALICE, letter_to, reaching_with, subscriber
from tidings.deliveries.connectors.connector import Destination, Reach
from tidings.deliveries.connectors.ses.config import SesConfig, SesCredentials
from tidings.deliveries.connectors.ses.connector import Ses
from tidings.deliveries.connectors.ses.signing import signed_headers
from tidings.deliveries.ledger.outcome import Outcome
from tidings.deliveries.suppressions.store import suppress_addresses
from tidings.errors import Invalid
from tidings.outbound.networks import Policy
from tidings.platform.postgres import tenant_transaction

REGION = "eu-central-1"
CONFIG = {"from": "news@acme.example", "from_name": "Acme", "region": REGION}
KEYS = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
MAY_SEND = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ses:*", "Resource": "*"}]}


class Amazon(msgspec.Struct):
    """moto: SES of one account, with a sender that is verified and a user who may send."""

    url: str
    keys: dict[str, str]

    def sent(self) -> list[dict[str, Any]]:
        data = requests.get(f"{self.url}/moto-api/data.json", timeout=10).json()
        return list(data["ses"]["RawMessage"])


@pytest.fixture(scope="module")
def amazon() -> Iterator[Amazon]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    own = {"endpoint_url": url, "region_name": REGION, "aws_access_key_id": "root", "aws_secret_access_key": "root"}
    boto3.client("sesv2", **own).create_email_identity(EmailIdentity="acme.example")
    iam = boto3.client("iam", **own)
    iam.create_user(UserName="tidings")
    iam.put_user_policy(UserName="tidings", PolicyName="send", PolicyDocument=json.dumps(MAY_SEND))
    key = iam.create_access_key(UserName="tidings")["AccessKey"]
    # From here on every request has to be signed by somebody who may.
    requests.post(f"{url}/moto-api/reset-auth", data=b"0", timeout=10)
    yield Amazon(url, {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]})
    # For all of moto in this process: the store of the backups' tests knows no keys.
    requests.post(f"{url}/moto-api/reset-auth", data=b"inf", timeout=10)
    server.stop()


@pytest.fixture
async def reach(api: Api) -> AsyncIterator[Reach]:
    async with reaching_with(api) as reach:
        yield reach


def place(url: str, keys: dict[str, str] | None = None, **config: Any) -> Destination:
    return destination("ses", CONFIG | {"endpoint": url} | config, KEYS if keys is None else keys)


async def sent(reach: Reach, where: Destination, **to: Any) -> Outcome:
    [outcome] = await Ses().send(reach, where, [claimed(to=ALICE | to, body="1,204 rows", title="Größe <b>")])
    return outcome


async def test_it_is_taken_as_it_is(reach: Reach, amazon: Amazon) -> None:
    outcome = await sent(reach, place(amazon.url, amazon.keys))
    assert (outcome.kind, outcome.status) == ("delivered", 200), outcome
    assert "MessageId" in json.loads(outcome.response)
    [mail] = amazon.sent()
    assert mail["source"] == "news@acme.example"
    assert "alice@example.com" in mail["destinations"]
    message = BytesParser(policy=SMTPUTF8).parsebytes(mail["raw_data"].encode())
    assert (message["Subject"], message["To"].addresses[0].addr_spec) == ("Größe <b>", "alice@example.com")


async def test_a_sender_that_is_not_verified_is_refused(reach: Reach, amazon: Amazon) -> None:
    outcome = await sent(reach, place(amazon.url, amazon.keys, **{"from": "news@other.example"}))
    assert (outcome.kind, outcome.reason) == ("refused", "rejected"), outcome


@pytest.mark.parametrize("wrong", [{"secret_access_key": "x" * 40}, {"access_key_id": "AKIAAAAAAAAAAAAAAAAA"}])
async def test_wrong_keys_can_be_mended(reach: Reach, amazon: Amazon, wrong: dict[str, str]) -> None:
    outcome = await sent(reach, place(amazon.url, amazon.keys | wrong))
    assert (outcome.kind, outcome.reason, outcome.slow_down) == ("retry", "unauthorized", False), outcome


# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors, and what all services of AWS may say:
# https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html
@pytest.mark.parametrize(
    ("status", "error", "kind", "reason", "slow_down"),
    [
        (400, "MessageRejected", "refused", "rejected", False),
        (400, "BadRequestException", "refused", "bad_request", False),
        (400, "AccountSuspendedException", "retry", "account_suspended", False),
        (400, "SendingPausedException", "retry", "sending_paused", False),
        (400, "MailFromDomainNotVerifiedException", "retry", "domain_not_verified", False),
        (400, "LimitExceededException", "retry", "limit_exceeded", False),
        (404, "NotFoundException", "retry", "not_found", False),
        (429, "TooManyRequestsException", "retry", "throttled", True),
        (400, "ThrottlingException", "retry", "throttled", False),
        (403, "SignatureDoesNotMatch", "retry", "unauthorized", False),
        (403, "AccessDeniedException", "retry", "unauthorized", False),
        (403, "ExpiredTokenException", "retry", "unauthorized", False),
        (500, "InternalFailure", "retry", "http_500", False),
        (503, "ServiceUnavailable", "retry", "http_503", True),
    ],
)
@pytest.mark.parametrize("place_of_error", ["header", "body"])
async def test_what_ses_may_answer(
    reach: Reach, status: int, error: str, kind: str, reason: str, slow_down: bool, place_of_error: str
) -> None:
    async with far_end(takes_all) as service:
        if place_of_error == "header":
            service.answer(status, {"message": "…"}, x_amzn_errortype=f"{error}:http://internal.amazon.com/coral/")
        else:
            service.answer(status, {"__type": f"com.amazonaws.ses.v2#{error}", "message": "…"})
        outcome = await sent(reach, place(service.url))
    assert (outcome.kind, outcome.reason, outcome.slow_down) == (kind, reason, slow_down)
    assert error in outcome.detail


@pytest.mark.parametrize("body", ["<html>", "[]", '{"__type": 7}', ""])
async def test_an_answer_that_is_none_of_ses(reach: Reach, body: str) -> None:
    async with far_end(takes_all) as service:
        service.answer(400, body)
        assert (await sent(reach, place(service.url))).reason == "http_400"


def takes_all(got: Got) -> web.StreamResponse:
    return web.json_response({"MessageId": "0102018f"})


async def test_ses_says_when_to_come_again(reach: Reach) -> None:
    async with far_end(takes_all) as service:
        service.answer(429, {}, Retry_After="120")
        assert is_in(await sent(reach, place(service.url)), 120)


async def test_the_request_is_that_of_send_email(reach: Reach) -> None:
    """https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_RequestSyntax"""
    async with far_end(takes_all) as service:
        await sent(reach, place(service.url + "/vpce/", KEYS | {"session_token": "t0ken=="}, configuration_set="Main"))
        [got] = service.got
    assert got.path == "/vpce/v2/email/outbound-emails"
    assert got.headers["x-amz-security-token"] == "t0ken=="
    assert got.headers["authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={KEYS['access_key_id']}/")
    assert f"/{REGION}/ses/aws4_request" in got.headers["authorization"]
    request = got.json
    assert base64.b64decode(request["Content"].pop("Raw")["Data"]).startswith(b'From: "Acme" <news@acme.example>\r\n')
    assert request == {
        "FromEmailAddress": "news@acme.example",
        "Destination": {"ToAddresses": ["alice@example.com"]},
        "Content": {},
        "EmailTags": [{"Name": "tidings-delivery", "Value": "01936f2e-7c1a-7d3e-8b4f-aaaaaaaaaaaa"}],
        "ConfigurationSetName": "Main",
    }


async def test_what_may_have_arrived_is_not_sent_again(reach: Reach) -> None:
    """SES has no key of idempotency, and puts a Message-ID of its own into the message
    (https://docs.aws.amazon.com/ses/latest/dg/header-fields.html)."""
    async with far_end(takes_all) as service:
        service.is_silent = True
        outcome = await sent(reach, place(service.url))
        assert (outcome.kind, len(service.got)) == ("unknown", 1)
    assert not Ses().repeats
    gone: FarEnd = service
    assert (await sent(reach, place(gone.url))).kind == "retry"


async def test_an_address_that_ses_does_not_take(reach: Reach) -> None:
    """https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html: the local part must be ASCII."""
    async with far_end(takes_all) as service:
        outcome = await sent(reach, place(service.url), email="jörg@example.com")
        assert (outcome.kind, outcome.reason, service.got) == ("refused", "smtputf8_unsupported", [])
        assert (await sent(reach, place(service.url), email="joerg@bücher.example")).kind == "delivered"
        assert service.got[0].json["Destination"] == {"ToAddresses": ["joerg@xn--bcher-kva.example"]}


async def test_whoever_complained_gets_nothing(api: Api, reach: Reach) -> None:
    alice = await subscriber(api)
    async with tenant_transaction(api.database, api.tenant.id) as connection:
        await suppress_addresses(connection, api.tenant.id, "email", ["alice@example.com"], "complained")
    async with far_end(takes_all) as service:
        [outcome] = await Ses().send(reach, place(service.url), [letter_to(api, alice)])
        assert (outcome.kind, outcome.reason, service.got) == ("refused", "suppressed", [])


EXAMPLE = SesCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
FORM = b"Param1=value1"


# AWS's own: github.com/awslabs/aws-c-auth, tests/aws-signing-test-suite/v4.
@pytest.mark.parametrize(
    ("method", "headers", "body", "token", "signature"),
    [
        pytest.param(
            "GET", {}, b"", None, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            id="get-vanilla",
        ),
        pytest.param(
            "POST", {}, b"", None, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            id="post-vanilla",
        ),
        pytest.param(
            "POST", {"My-Header1": "VALUE1"}, b"", None, "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
            id="post-header-value-case",
        ),
        pytest.param(
            "GET", {"My-Header1": " value1", "My-Header2": ' "a   b   c"'}, b"", None,
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            id="get-header-value-trim",
        ),
        pytest.param(
            "GET", {}, b"", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
            "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            id="get-vanilla-with-session-token",
        ),
        pytest.param(
            "POST",
            {
                "Content-Type": "application/x-www-form-urlencoded",
                "Content-Length": "13",
                "X-Amz-Content-Sha256": hashlib.sha256(FORM).hexdigest(),
            },
            FORM, None, "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            id="post-x-www-form-urlencoded",
        ),
    ],
)  # fmt: skip
def test_signatures_are_those_that_aws_publishes(
    method: str, headers: dict[str, str], body: bytes, token: str | None, signature: str
) -> None:
    signed = signed_headers(
        method,
        "/",
        {"Host": "example.amazonaws.com"} | headers,
        body,
        keys=msgspec.structs.replace(EXAMPLE, session_token=token),
        region="us-east-1",
        service="service",
        now=datetime(2015, 8, 30, 12, 36, tzinfo=UTC),
    )
    assert signed["authorization"].endswith(f"Signature={signature}")


@pytest.mark.parametrize(
    ("config", "policy", "field"),
    [
        ({"endpoint": "http://127.0.0.1:5000"}, PUBLIC, "config.endpoint"),
        ({"endpoint": "https://10.0.0.1"}, ALLOWING, "config.endpoint"),
        ({"endpoint": "https://ses.example.com/?x=1"}, PUBLIC, "config.endpoint"),
        ({"from": "nobody"}, PUBLIC, "config.from"),
    ],
)
def test_what_cannot_be_is_named(config: dict[str, Any], policy: Policy, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        Ses().check(msgspec.convert(CONFIG | config, SesConfig), msgspec.convert(KEYS, SesCredentials), policy)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "wrong", [{"region": "eu-central-1.evil.example/"}, {"region": ""}, {"configuration_set": "a b"}, {"topic_arn": "x"}, {"host": "x"}]
)
def test_what_the_types_refuse(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(CONFIG | wrong, SesConfig)


def test_where_ses_is() -> None:
    assert msgspec.convert(CONFIG, SesConfig).base_url == "https://email.eu-central-1.amazonaws.com"
    assert msgspec.convert(CONFIG | {"region": "cn-north-1"}, SesConfig).base_url == "https://email.cn-north-1.amazonaws.com.cn"
