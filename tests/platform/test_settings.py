"""A wrong setting stops the start with its name, its value (redacted) and what is allowed."""

import base64
from pathlib import Path

import pytest

from tidings.errors import Misconfigured
from tidings.settings import load_settings, redacted_url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TIDINGS_PORT", "70000"),
        ("TIDINGS_LOG_FORMAT", "yaml"),
        ("TIDINGS_DRAIN_S", "-1"),
        ("TIDINGS_DATABASE_URL", "postgresql://u:x@127.0.0.1:notaport/x"),
        ("TIDINGS_CORS_ORIGINS", "app.example.com"),
        ("TIDINGS_SECRET_KEY", "short"),
        ("TIDINGS_ENCRYPTION_KEYS", "c2hvcnQ="),
        ("TIDINGS_ENCRYPTION_KEYS_FILE", "/nowhere/keys"),
        ("TIDINGS_TLS_KEY", "/nowhere/key.pem"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(Misconfigured, match=f"{name}=.* is not allowed: it must be "):
        load_settings({name: value})


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(Misconfigured, match="TIDINGS_PROT is no setting"):
        load_settings({"TIDINGS_PROT": "8000"})


@pytest.mark.parametrize("name", ["TIDINGS_TLS_CERTIFICATE", "TIDINGS_TLS_KEY"])
def test_half_of_tls_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match="belong together"):
        load_settings({name: __file__})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:hunter2@db:5432/tidings",
        "app:hunter2@db/tidings",
        "mysql://db/tidings?user=x&password=hunter2",
        "postgresql://app:hunter2@[::1/tidings",
        "hunter2",
    ],
)
def test_no_password_is_shown_wherever_it_stands(url: str) -> None:
    assert "hunter2" not in redacted_url(url)


@pytest.mark.parametrize("name", ["TIDINGS_SECRET_KEY", "TIDINGS_ENCRYPTION_KEYS", "TIDINGS_ENCRYPTION_KEYS_FILE"])
def test_no_secret_is_shown(name: str) -> None:
    with pytest.raises(Misconfigured, match=r"=\*\*\* is not allowed") as caught:
        load_settings({name: "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_encryption_keys_stand_in_one_place() -> None:
    with pytest.raises(Misconfigured, match="set one of them"):
        load_settings({"TIDINGS_ENCRYPTION_KEYS": base64.b64encode(bytes(32)).decode(), "TIDINGS_ENCRYPTION_KEYS_FILE": __file__})


def test_any_setting_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "database_url"
    file.write_text("postgresql://app:hunter2@db/tidings\n")
    assert load_settings({"TIDINGS_DATABASE_URL_FILE": str(file)}).database_url == "postgresql://app:hunter2@db/tidings"


@pytest.mark.parametrize("content", ["mysql://app:hunter2@db/tidings", "hunter2", "", None])
def test_a_file_with_a_wrong_value_is_named_and_not_shown(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "hunter2"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Misconfigured, match="TIDINGS_DATABASE_URL_FILE names") as caught:
        load_settings({"TIDINGS_DATABASE_URL_FILE": str(file)})
    assert "hunter2" not in str(caught.value)


def test_a_setting_and_its_file_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x" * 32)
    with pytest.raises(Misconfigured, match="TIDINGS_SECRET_KEY and TIDINGS_SECRET_KEY_FILE say the same"):
        load_settings({"TIDINGS_SECRET_KEY": "y" * 32, "TIDINGS_SECRET_KEY_FILE": str(tmp_path / "key")})
