"""The settings of an SMTP integration, and what the types cannot check of them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tidings.deliveries.connectors.email.config import EmailConfig, check_email_config
from tidings.deliveries.connectors.smtp.places import check_place
from tidings.errors import Invalid
from tidings.outbound.errors import Blocked
from tidings.outbound.networks import Policy, literal
from tidings.outbound.urls import check_host

Security = Literal["starttls", "tls", "none"]
# RFC 6409, RFC 8314, RFC 5321.
PORTS: dict[Security, int] = {"starttls": 587, "tls": 465, "none": 25}
Secret = Annotated[str, Meta(min_length=1, max_length=1024, pattern=r"^[^\x00\r\n]+$(?!\n)")]


class SmtpConfig(EmailConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """security: starttls (the connection is encrypted after the greeting, or nothing is sent), tls from the start, or none, only within
    TIDINGS_OUTBOUND_ALLOW.   port: by default the one that belongs to it.   connections: at the same time, from each worker.
    """

    host: Annotated[str, Meta(min_length=1, max_length=253, examples=["smtp.example.com"])]
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    security: Security = "starttls"
    connections: Annotated[int, Meta(ge=1, le=20)] = 4

    @property
    def port_used(self) -> int:
        return self.port if self.port is not None else PORTS[self.security]


class SmtpCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    username: Secret | None = None
    password: Secret | None = None


def check_smtp(config: SmtpConfig, credentials: SmtpCredentials, policy: Policy) -> None:
    """Raises Invalid."""
    check_email_config(config)
    try:
        check_host(config.host.lower())
    except Blocked as error:
        raise Invalid(f"This is no mail server: {error.reason}", field="config.host") from None
    if config.security == "none" and not policy.allow:
        raise Invalid("Without encryption mail is sent only within TIDINGS_OUTBOUND_ALLOW, which names nothing.", field="config.security")
    if address := literal(config.host):
        try:
            check_place(policy, config.host, address, config.port_used, is_encrypted=config.security != "none")
        except Blocked as error:
            raise Invalid(error.detail, field="config.host") from None
    if (credentials.username is None) != (credentials.password is None):
        raise Invalid("Username and password belong together.", field="credentials.password")
