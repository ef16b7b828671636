"""Where the encryption keys come from."""

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tidings.errors import Misconfigured
from tidings.settings import Settings, load_settings
from tidings.vault.envelope import new_key
from tidings.vault.ring import id_of, keys_in, load_ring

OLD, NEW = new_key(), new_key()


def as_text(*keys: bytes) -> str:
    return ",".join(base64.b64encode(key).decode() for key in keys)


def test_a_key_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "new" / "state")
    first = load_ring(settings)
    assert load_ring(settings).keys == first.keys
    assert stat.S_IMODE((settings.state_dir / "encryption_keys").stat().st_mode) == 0o600
    assert [path.name for path in settings.state_dir.iterdir()] == ["encryption_keys"]


def test_processes_that_start_at_once_agree_on_the_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(keys_in, [tmp_path] * 32))) == 1


def test_the_first_key_is_the_newest_wherever_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{as_text(NEW)}\n{as_text(OLD)}\n")
    for environ in ({"TIDINGS_ENCRYPTION_KEYS": as_text(NEW, OLD)}, {"TIDINGS_ENCRYPTION_KEYS_FILE": str(file)}):
        ring = load_ring(load_settings(environ))
        assert list(ring.keys.items()) == [(id_of(NEW), NEW), (id_of(OLD), OLD)]
        assert ring.newest == id_of(NEW)


WRONG = {
    "nothing": "",
    "cut short": as_text(OLD)[:-8],
    "more": as_text(OLD) + "!",
    "another": as_text(OLD) + ",x",
    "short": as_text(b"short"),
    "no text": "\ufffd",
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_file_with_something_else_stops_the_start_and_is_not_shown(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "encryption_keys").write_text(wrong)
    with pytest.raises(Misconfigured, match="32 bytes") as caught:
        load_ring(Settings(state_dir=tmp_path))
    assert as_text(OLD)[:10] not in str(caught.value)


def test_a_place_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="TIDINGS_ENCRYPTION_KEYS"):
        load_ring(Settings(state_dir=tmp_path / "file"))
    with pytest.raises(Misconfigured, match="cannot be read"):
        load_ring(Settings(encryption_keys_file=tmp_path / "nothing"))
