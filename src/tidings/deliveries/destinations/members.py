"""What an integration is made of: its connector's own two structs, read from what was sent, kept as JSON."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from tidings.deliveries.connectors.connector import Connector
from tidings.errors import Invalid
from tidings.outbound.networks import Policy
from tidings.platform.problems import field_of

# These messages of msgspec end with the value that was given, which may be a credential.
TELLS_VALUE = re.compile(r"(Invalid (?:enum )?value) .*", re.DOTALL)


class Members(msgspec.Struct, frozen=True):
    """config: what may be shown.   credentials: what is sealed."""

    config: msgspec.Struct
    credentials: msgspec.Struct


# Raises Invalid, naming the member as in `config.url`.
MembersCheck = Callable[[Connector, Mapping[str, Any], Mapping[str, Any]], Members]


def members_check(policy: Policy) -> MembersCheck:
    """What reads config and credentials, and refuses what their connector does not take, or this deployment does not send to."""

    def check(connector: Connector, config: Mapping[str, Any], credentials: Mapping[str, Any]) -> Members:
        members = Members(decoded("config", config, connector.config), decoded("credentials", credentials, connector.credentials))
        connector.check(members.config, members.credentials, policy)
        return members

    return check


def decoded(what: Literal["config", "credentials"], members: Mapping[str, Any], struct: type[msgspec.Struct]) -> msgspec.Struct:
    try:
        return msgspec.convert(members, struct)
    except msgspec.ValidationError as error:
        detail, path = field_of(str(error))
        raise Invalid(TELLS_VALUE.sub(r"\1.", detail), field=f"{what}.{path}" if path else what) from None
