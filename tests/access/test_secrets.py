"""The deployment's secret and what is derived from it; the bounded memory of credentials."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.access.recent import Recent
from tidings.errors import Misconfigured
from tidings.platform.secrets import CannotOpen, keyed_hash, open_sealed, seal, secret_in


def test_the_secret_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "state"
    first = secret_in(folder)
    assert len(first) >= 32
    assert secret_in(folder) == first
    assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["secret_key"]


def test_processes_that_start_at_once_agree_on_the_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(secret_in, [tmp_path] * 32))) == 1


def test_a_short_secret_or_a_place_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("short")
    with pytest.raises(Misconfigured, match="32"):
        secret_in(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="TIDINGS_SECRET_KEY"):
        secret_in(tmp_path / "file")


@pytest.mark.usefixtures("api")
class TestWithASecret:
    async def test_what_is_sealed_opens_for_its_purpose_only(self) -> None:
        sealed = seal("one", b"private")
        assert b"private" not in sealed
        assert open_sealed("one", sealed) == b"private"
        for purpose, wrong in [("two", sealed), ("one", sealed[:-1]), ("one", sealed[:5]), ("one", bytes(len(sealed)))]:
            with pytest.raises(CannotOpen):
                open_sealed(purpose, wrong)

    async def test_a_hash_made_for_one_purpose_is_worthless_for_another(self) -> None:
        assert keyed_hash("one", b"x") == keyed_hash("one", b"x")
        assert keyed_hash("one", b"x") != keyed_hash("two", b"x")


@given(st.integers(1, 5), st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=40))
def test_the_least_recently_used_is_forgotten_first(limit: int, steps: list[tuple[int, bool]]) -> None:
    recent: Recent[int, int] = Recent(limit)
    model: list[int] = []
    for key, is_put in steps:
        if is_put:
            recent.put(key, key, 100)
        assert (recent.get(key) is not None) == (key in model or is_put)
        if is_put or key in model:
            model = [*(other for other in model if other != key), key][-limit:]
    assert len(recent) == len(model)


def test_nothing_is_believed_for_longer_than_it_was_given() -> None:
    now = 0.0
    recent: Recent[str, int] = Recent(10, clock=lambda: now)
    recent.put("a", 1, ttl_s=60)
    now = 59.9
    assert recent.get("a") is not None
    now = 60.0
    assert recent.get("a") is None
    assert len(recent) == 0
