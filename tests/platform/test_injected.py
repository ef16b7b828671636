"""What Kubernetes sets for its Services is no setting of ours, and a typing error stays one."""

import pytest

from tidings.errors import Misconfigured
from tidings.settings import load_settings


@pytest.mark.parametrize("service", ["TIDINGS", "TIDINGS_API", "TIDINGS_METRICS", "TIDINGS_2_STREAM"])
@pytest.mark.parametrize(("host", "port"), [("10.0.0.1", "10.0.0.1:8000"), ("fd00::1", "[fd00::1]:8000")])
def test_what_kubernetes_injects_for_a_service_is_no_setting(service: str, host: str, port: str) -> None:
    injected = {
        "SERVICE_HOST": host,
        "SERVICE_PORT": "8000",
        "SERVICE_PORT_HTTP": "8000",
        "SERVICE_PORT_HTTP_2": "8000",
        "PORT": f"tcp://{port}",
        **{
            f"PORT_{number}_{protocol.upper()}{ending}": value
            for number, protocol in ((8000, "tcp"), (53, "udp"), (5000, "sctp"))
            for ending, value in (("", f"{protocol}://{port}"), ("_PROTO", protocol), ("_PORT", str(number)), ("_ADDR", host))
        },
    }
    assert load_settings({f"{service}_{name}": value for name, value in injected.items()}) == load_settings({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TIDINGS_METRIC_PORT", "9100"),
        ("TIDINGS_API_PORT", "8000"),
        ("TIDINGS_API_PORT", "tcp/8000"),
        ("TIDINGS_PORT_8000", "tcp://10.0.0.1:8000"),
        ("TIDINGS_PORT_HTTP", "8000"),
        ("TIDINGS_API_HOST", "10.0.0.1"),
        ("TIDINGS_SERVICE_HOST", "tidings.example.com"),
        ("TIDINGS_SERVICE_NAME", "tidings"),
        ("TIDINGS_REDISURL", "tcp://10.0.0.1:6379"),
    ],
)
def test_what_only_looks_like_it_is_a_typing_error(name: str, value: str) -> None:
    with pytest.raises(Misconfigured, match=f"{name} is no setting"):
        load_settings({name: value})


@pytest.mark.parametrize(("name", "value"), [("TIDINGS_REDIS_URL", "tcp://10.0.0.1:6379"), ("TIDINGS_METRICS_PORT", "tcp://10.0.0.1")])
def test_a_setting_with_such_a_value_is_a_wrong_one(name: str, value: str) -> None:
    with pytest.raises(Misconfigured, match=f"{name}=.* is not allowed"):
        load_settings({name: value})


def test_a_setting_is_read_beside_what_kubernetes_injects() -> None:
    assert load_settings({"TIDINGS_METRICS_PORT": "9100", "TIDINGS_METRICS_SERVICE_PORT": "80"}).metrics_port == 9100
