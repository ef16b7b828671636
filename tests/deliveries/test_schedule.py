"""What follows from an attempt: `(outcome, attempt, now) → next`."""

from datetime import UTC, datetime, timedelta

import pytest

from tidings.deliveries.connectors.webhook.answer import outcome_of, retry_after
from tidings.deliveries.connectors.webhook.connector import SCHEDULE
from tidings.deliveries.ledger.outcome import Next, Outcome, next_of
from tidings.outbound.client import Answer
from tidings.outbound.latency import Latency

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def failed(**more: object) -> Outcome:
    return Outcome(kind="retry", reason="http_500", **more)  # type: ignore[arg-type]


def answer(status: int, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=named, body=b"no", truncated=False, reused=False, latency=Latency(total_ms=1.0))


def test_the_schedule_has_ten_attempts_over_seventy_five_hours() -> None:
    assert len(SCHEDULE) + 1 == 10
    assert 75 <= sum(SCHEDULE) / 3600 < 76


def test_each_failure_waits_as_the_schedule_says_and_the_last_one_is_dead() -> None:
    waits = [next_of(failed(), attempt, (5, 60), NOW, lambda: 0.5) for attempt in (1, 2, 3)]
    assert waits == [Next("pending", NOW + timedelta(seconds=5)), Next("pending", NOW + timedelta(seconds=60)), Next("dead")]


@pytest.mark.parametrize(("share", "seconds"), [(0.0, 80), (1.0, 120)])
def test_waits_are_spread_by_a_fifth(share: float, seconds: int) -> None:
    assert next_of(failed(), 1, (100,), NOW, lambda: share).at == NOW + timedelta(seconds=seconds)


def test_what_the_receiver_asks_for_counts_if_it_is_longer_but_a_day_at_most() -> None:
    asked = NOW + timedelta(hours=1)
    assert next_of(failed(retry_after=asked), 1, (5,), NOW, lambda: 0.5).at == asked
    assert next_of(failed(retry_after=NOW + timedelta(days=9)), 1, (5,), NOW, lambda: 0.5).at == NOW + timedelta(days=1)
    assert next_of(failed(retry_after=NOW + timedelta(seconds=1)), 1, (5,), NOW, lambda: 0.5).at == NOW + timedelta(seconds=5)


def test_a_refusal_is_dead_at_once_and_a_delivery_is_delivered() -> None:
    assert next_of(Outcome(kind="refused", reason="http_410"), 1, (5,), NOW).state == "dead"
    assert next_of(Outcome(kind="delivered", reason="http_200"), 3, (5,), NOW).state == "delivered"


@pytest.mark.parametrize(
    ("status", "kind", "slow_down", "is_gone"),
    [
        (200, "delivered", False, False),
        (204, "delivered", False, False),
        (301, "retry", False, False),
        (302, "retry", False, False),
        (400, "retry", False, False),
        (404, "retry", False, False),
        (410, "refused", False, True),
        (429, "retry", True, False),
        (500, "retry", False, False),
        (502, "retry", True, False),
        (503, "retry", True, False),
        (504, "retry", True, False),
    ],
)
def test_what_a_status_means(status: int, kind: str, slow_down: bool, is_gone: bool) -> None:
    outcome = outcome_of(answer(status), NOW)
    assert (outcome.kind, outcome.slow_down, outcome.is_gone) == (kind, slow_down, is_gone)
    assert outcome.reason == f"http_{status}"


def test_a_redirect_says_what_to_do() -> None:
    assert "not followed" in outcome_of(answer(308, location="http://10.0.0.1/"), NOW).detail


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("120", NOW + timedelta(seconds=120)),
        ("0", NOW),
        ("Sun, 01 Mar 2026 12:30:00 GMT", NOW + timedelta(minutes=30)),
        ("99999999999999999999", NOW + timedelta(seconds=10**8)),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, at: datetime | None) -> None:
    assert retry_after(value, NOW) == at
