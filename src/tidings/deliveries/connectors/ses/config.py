"""The settings of an SES integration, and what the types cannot check of them."""

from typing import Annotated

import msgspec
from msgspec import Meta

from tidings.deliveries.connectors.email.config import EmailConfig, check_email_config
from tidings.errors import Invalid
from tidings.outbound.errors import Blocked
from tidings.outbound.networks import Policy
from tidings.outbound.urls import check_url

# What may stand in a header.
Visible = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"^[!-~]+$(?!\n)")]


class SesConfig(EmailConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """endpoint: in place of https://email.REGION.amazonaws.com, for FIPS, VPC endpoints and services that speak as SES does.

    topic_arn: of the SNS topic through which SES tells of bounces and complaints; no other is believed.
    """

    region: Annotated[str, Meta(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$(?!\n)", examples=["eu-central-1"])]
    endpoint: Annotated[str, Meta(max_length=500)] | None = None
    configuration_set: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)")] | None = None
    topic_arn: Annotated[str, Meta(pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$(?!\n)")] | None = None

    @property
    def base_url(self) -> str:
        suffix = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        return (self.endpoint or f"https://email.{self.region}.{suffix}").rstrip("/")


class SesCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of an IAM user or role that may do ses:SendEmail (raw content: ses:SendRawEmail too), and nothing else."""

    access_key_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{16,128}$(?!\n)")]
    secret_access_key: Visible
    session_token: Visible | None = None


def check_ses(config: SesConfig, policy: Policy) -> None:
    """Raises Invalid."""
    check_email_config(config)
    if config.endpoint is None:
        return
    if "?" in config.endpoint:
        raise Invalid("An endpoint has no query.", field="config.endpoint")
    try:
        check_url(config.endpoint, policy)
    except Blocked as error:
        raise Invalid(error.detail, field="config.endpoint") from None
