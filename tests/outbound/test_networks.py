"""Which networks a deployment names."""

import pytest
from outbound.ground import networks

from tidings.errors import Misconfigured
from tidings.outbound.networks import Policy, policy_of
from tidings.settings import load_settings


def test_networks_are_read_from_the_environment() -> None:
    settings = load_settings(
        {"TIDINGS_OUTBOUND_ALLOW": "10.20.0.0/16, fd12:3456::/32,192.168.1.7", "TIDINGS_OUTBOUND_DENY": "203.0.113.0/24"}
    )
    assert policy_of(settings) == Policy(networks("10.20.0.0/16", "fd12:3456::/32", "192.168.1.7/32"), networks("203.0.113.0/24"))


def test_without_them_there_are_none() -> None:
    assert policy_of(load_settings({})) == Policy()


@pytest.mark.parametrize("name", ["TIDINGS_OUTBOUND_ALLOW", "TIDINGS_OUTBOUND_DENY"])
@pytest.mark.parametrize("value", ["10.0.0.1/8", "localhost", "10.0.0.0/33", "10.0.0.0/8;fd00::/8"])
def test_what_is_no_network_stops_the_start(name: str, value: str) -> None:
    with pytest.raises(Misconfigured, match=f"{name}=.* must be networks separated by commas"):
        load_settings({name: value})
