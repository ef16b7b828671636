"""The rules of the supervisor, and what processes say."""

import pytest

from tidings.platform.logging import without_secrets
from tidings.platform.supervisor import how_it_ended, next_wait


def test_what_keeps_dying_is_started_less_and_less_often() -> None:
    waits, wait_s = [], 0.0
    for _ in range(9):
        wait_s = next_wait(wait_s, lived_s=1)
        waits.append(wait_s)
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_what_lived_long_is_trusted_again() -> None:
    assert next_wait(30, lived_s=31) == 0.5


def test_signals_are_named() -> None:
    assert how_it_ended(-9) == "killed by SIGKILL"
    assert how_it_ended(3) == "exit code 3"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("at postgresql://app:hidden@db/x", "at postgresql://***@db/x"),
        ("Authorization: Bearer eyJhbGciOi.hidden.x", "Authorization: Bearer ***"),
        ("GET /v1/stream?ticket=hidden&x=1", "GET /v1/stream?ticket=***&x=1"),
        ("the key tdk_hiddenhiddenhidden", "the key tdk_***"),
        ("nothing at all", "nothing at all"),
    ],
)
def test_credentials_are_not_said(said: str, shown: str) -> None:
    assert without_secrets(said) == shown
