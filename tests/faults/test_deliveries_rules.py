"""The rules of `ledger.py` find what they are there to find."""

from datetime import UTC, datetime, timedelta

import pytest
from faults.ledger import Arrival, Attempt, Delivery, Ledger, faults

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACCEPTED = {"n1": "p0/0"}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def attempt(number: int, outcome: str | None, began: float, reason: str = "http_500") -> Attempt:
    return Attempt(number, outcome, reason, at(began), at(began + 0.1) if outcome else None)


def arrival(began: float, status: int, identity: str = "d1", body: bytes = b"body") -> Arrival:
    return Arrival(identity, "p0/0", body, at(began).timestamp(), status)


FAILED_ONCE = [attempt(1, "retry", 0), attempt(2, "delivered", 2, "http_200")]
ARRIVED_TWICE = [arrival(0.05, 500), arrival(2.05, 200)]


def delivery(state: str = "delivered", attempts: list[Attempt] = FAILED_ONCE, notification: str = "n1", identity: str = "d1") -> Delivery:
    return Delivery(identity, "ep_1", notification, state, len(attempts), 1, attempts[-1].ended_at, attempts)


def ledger(*deliveries: Delivery, arrivals: list[Arrival] = ARRIVED_TWICE) -> Ledger:
    return Ledger(list(deliveries), {"ep_1": arrivals}, {"ep_1": [2]})


def test_what_went_well_breaks_no_rule() -> None:
    assert faults(ledger(delivery()), ACCEPTED) == []
    dead = delivery("dead", [attempt(1, "retry", 0), attempt(2, "lost", 2, "worker_lost"), attempt(3, "retry", 12)])
    assert faults(ledger(dead, arrivals=[arrival(0, 500), arrival(12, 500)]), ACCEPTED) == []


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("lost", ledger(arrivals=[])),
        ("lost", ledger(delivery("pending"))),
        ("twice", ledger(delivery(), delivery(identity="d2"), arrivals=[*ARRIVED_TWICE, arrival(0, 500, "d2"), arrival(2, 200, "d2")])),
        ("strange", ledger(delivery(), arrivals=[*ARRIVED_TWICE, arrival(0, 200, "d9")])),
        ("wrong", ledger(delivery(), arrivals=[arrival(0, 500), arrival(2, 500)])),
        ("wrong", ledger(delivery("dead"))),
        ("wrong", ledger(delivery("dead", [attempt(1, "retry", 0)]), arrivals=[arrival(0, 500)])),
        ("changed", ledger(delivery(), arrivals=[arrival(0, 500), arrival(2, 200, body=b"another")])),
        ("again", ledger(delivery(), arrivals=[arrival(0, 500), arrival(9, 200)])),
        ("again", ledger(delivery(attempts=[attempt(1, "delivered", 0), attempt(2, "lost", 10)]))),
        ("uncounted", ledger(delivery(), arrivals=[arrival(0, 500), arrival(1, 500), arrival(2, 200)])),
        ("uncounted", ledger(delivery(), arrivals=[arrival(2, 200)])),
        ("open", ledger(delivery(attempts=[attempt(1, None, 0), attempt(2, "delivered", 2)]))),
        ("early", ledger(delivery(attempts=[attempt(1, "retry", 0), attempt(2, "delivered", 0.2)]))),
        ("early", ledger(delivery(attempts=[attempt(1, "retry", 0), Attempt(2, "delivered", "http_200", at(2), at(-3600))]))),
    ],
)
def test_what_went_wrong_is_found(rule: str, broken: Ledger) -> None:
    assert rule in {fault.split(":")[0] for fault in faults(broken, ACCEPTED)}


def test_what_nobody_was_told_of_goes_to_all_endpoints_or_to_none() -> None:
    torn = Ledger([delivery(), delivery(notification="n2", identity="d2")], {"ep_1": ARRIVED_TWICE, "ep_2": []}, {"ep_1": [2], "ep_2": [2]})
    assert any(fault.startswith("torn: n2") for fault in faults(torn, ACCEPTED))
