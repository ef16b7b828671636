"""What an SMTP integration can be set to, and what is refused."""

from ipaddress import ip_network
from typing import Any

import msgspec
import pytest

from connectors.far_end import ALLOWING, PUBLIC
from tidings.deliveries.connectors.smtp.config import SmtpConfig, SmtpCredentials
from tidings.deliveries.connectors.smtp.connector import Smtp
from tidings.errors import Invalid
from tidings.outbound.networks import Policy

MX = {"host": "smtp.provider.example", "from": "news@acme.example"}


@pytest.mark.parametrize(
    ("config", "credentials", "policy", "field"),
    [
        ({"host": "https://smtp.example.com"}, {}, PUBLIC, "config.host"),
        ({"host": "2130706433"}, {}, PUBLIC, "config.host"),
        ({"host": "127.0.0.1"}, {}, PUBLIC, "config.host"),
        ({"host": "10.0.0.1"}, {}, ALLOWING, "config.host"),
        ({"host": "9.9.9.9", "port": 443}, {}, PUBLIC, "config.host"),
        ({"host": "9.9.9.9", "security": "none"}, {}, ALLOWING, "config.host"),
        ({"security": "none"}, {}, PUBLIC, "config.security"),
        ({"from": "nobody"}, {}, PUBLIC, "config.from"),
        ({}, {"username": "x"}, PUBLIC, "credentials.password"),
    ],
)
def test_what_cannot_be_is_named(config: dict[str, Any], credentials: dict[str, str], policy: Policy, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        Smtp().check(msgspec.convert(MX | config, SmtpConfig), msgspec.convert(credentials, SmtpCredentials), policy)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("config", "policy"),
    [
        ({}, PUBLIC),
        ({"security": "tls", "port": 465}, PUBLIC),
        ({"port": 25}, PUBLIC),
        ({"host": "9.9.9.9", "port": 2525}, PUBLIC),
        ({"host": "127.0.0.1", "port": 1025, "security": "none"}, ALLOWING),
        ({"host": "10.1.2.3", "port": 25}, Policy((ip_network("10.0.0.0/8"),))),
    ],
)
def test_what_can_be(config: dict[str, Any], policy: Policy) -> None:
    Smtp().check(msgspec.convert(MX | config, SmtpConfig), SmtpCredentials("user", "pass"), policy)


@pytest.mark.parametrize("wrong", [{"port": 0}, {"security": "ssl"}, {"connections": 0}, {"password": "x"}, {"from_name": "x\r\nBcc: y"}])
def test_what_the_types_refuse(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(MX | wrong, SmtpConfig)


def test_ports_follow_the_security() -> None:
    settings = [msgspec.convert(MX | {"security": security}, SmtpConfig) for security in ("starttls", "tls", "none")]
    assert [one.port_used for one in settings] == [587, 465, 25]
