"""What a service signed is let in, and nothing else."""

from datetime import UTC, datetime

import pytest
import standardwebhooks
import stripe
from hypothesis import given
from hypothesis import strategies as st

from sources.conftest import SECRETS, STANDARD_SECRET, STRIPE_SECRET, github_headers, invoice, standard_headers, stripe_headers
from tidings.sources.signatures import is_signed

AT = 1_764_000_000
NOW = datetime.fromtimestamp(AT, UTC)
BODY = '{"id": "evt_1", "name": "Zoë"}'.encode()
KINDS = ["stripe", "github", "standard_webhooks"]


def signed(kind: str, body: bytes = BODY, at: int = AT, secret: str | None = None) -> dict[str, str]:
    secret = secret or SECRETS[kind]
    if kind == "stripe":
        headers = stripe_headers(body, secret, at)
    elif kind == "github":
        headers = github_headers(body, secret=secret)
    else:
        headers = standard_headers(body, secret=secret, at=at)
    return {name.lower(): value for name, value in headers.items()}


def is_let_in(kind: str, headers: dict[str, str], body: bytes = BODY, *secrets: str) -> bool:
    return is_signed(kind, secrets or [SECRETS[kind]], headers, body, NOW)  # type: ignore[arg-type]


def test_the_example_of_githubs_documentation() -> None:
    header = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert is_let_in("github", {"x-hub-signature-256": header}, b"Hello, World!")
    assert not is_let_in("github", {"x-hub-signature-256": header}, b"Hello, World?")
    # The older header, with SHA-1, is not asked.
    assert not is_let_in("github", {"x-hub-signature": header}, b"Hello, World!")


def test_what_the_libraries_make_and_take_themselves() -> None:
    body = b'{"id": "evt_1", "object": "event"}'
    now = {name: stripe_headers(body, STRIPE_SECRET)[name] for name in ("Stripe-Signature",)}
    assert stripe.Webhook.construct_event(body, now["Stripe-Signature"], STRIPE_SECRET).id == "evt_1"
    standardwebhooks.Webhook(STANDARD_SECRET).verify(body, standard_headers(body))
    for kind in KINDS:
        assert is_let_in(kind, signed(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_another_secret_another_body_and_no_signature_are_refused(kind: str) -> None:
    other = {"stripe": "whsec_another", "github": "another secret", "standard_webhooks": "whsec_" + "b" * 44}[kind]
    assert not is_let_in(kind, signed(kind, secret=other))
    assert not is_let_in(kind, signed(kind), BODY + b" ")
    assert not is_let_in(kind, {})
    assert is_let_in(kind, signed(kind), BODY, other, SECRETS[kind])
    assert not is_signed(kind, [], signed(kind), BODY, NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["stripe", "standard_webhooks"])
def test_a_signed_time_may_differ_by_five_minutes_both_ways(kind: str) -> None:
    for late, good in ((-301, False), (-300, True), (0, True), (300, True), (301, False)):
        assert is_let_in(kind, signed(kind, at=AT + late)) is good, late


def test_a_time_that_was_put_in_afterwards_is_refused() -> None:
    old = signed("stripe", at=AT - 1000)["stripe-signature"]
    assert not is_let_in("stripe", {"stripe-signature": old.replace(str(AT - 1000), str(AT))})
    assert not is_let_in("stripe", {"stripe-signature": f"t={AT}," + old})
    headers = signed("standard_webhooks", at=AT - 1000)
    assert not is_let_in("standard_webhooks", headers | {"webhook-timestamp": str(AT)})
    assert not is_let_in("standard_webhooks", signed("standard_webhooks") | {"webhook-id": "msg_2"})


def test_one_right_signature_among_several_is_enough() -> None:
    right = signed("stripe")["stripe-signature"].split(",v1=")[1]
    assert is_let_in("stripe", {"stripe-signature": f"t={AT}, v1={'0' * 64}, v0=x, v1={right}"})
    assert not is_let_in("stripe", {"stripe-signature": f"t={AT},v0={right}"})
    headers = signed("standard_webhooks")
    several = f"v1a,AAAA v1,AAAA {headers['webhook-signature']}"
    assert is_let_in("standard_webhooks", headers | {"webhook-signature": several})
    assert not is_let_in("standard_webhooks", headers | {"webhook-signature": headers["webhook-signature"].replace("v1,", "v1a,")})


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(max_size=40), at=st.sampled_from(["", "t=,", f"t={AT},", "t=-1,", "t=１２,", "t=1e9,"]))
def test_no_header_is_too_odd_to_be_refused(kind: str, text: str, at: str) -> None:
    names = ("stripe-signature", "x-hub-signature-256", "webhook-signature", "webhook-id", "webhook-timestamp")
    assert not is_let_in(kind, dict.fromkeys(names, at + "v1=" + text) | {"webhook-signature": "v1," + text})


def test_the_events_of_the_tests_are_ones_that_stripes_library_reads() -> None:
    event = stripe.Event.construct_from(invoice("evt_1"), "key")
    assert (event.id, event.type, event.data.object["number"]) == ("evt_1", "invoice.paid", "A-17")
