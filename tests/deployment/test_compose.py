"""compose.yaml, as Docker's own program reads it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tidings.settings import load_settings

ROOT = Path(__file__).parents[2]
Service = dict[str, Any]
STORES = {"postgres", "valkey"}
SECRETS = "/etc/tidings"


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    compose = Path(sys.executable).with_name("docker-compose")
    arguments = [str(compose), "--profile", "backups", "config", "--format", "json"]
    read = subprocess.run(arguments, cwd=ROOT, capture_output=True, check=True, env={"PATH": "/usr/bin:/bin"})
    found: dict[str, Service] = json.loads(read.stdout)["services"]
    return found


@pytest.fixture
def made(services: dict[str, Service], tmp_path: Path) -> Path:
    """The folder in which the service `secrets` has made them."""
    make_secrets(services["secrets"], tmp_path)
    return tmp_path


def make_secrets(service: Service, folder: Path) -> None:
    [program] = service["command"]
    assert service["entrypoint"] == ["python", "-c"]
    subprocess.run([sys.executable, "-c", program.replace(SECRETS, str(folder))], check=True)


def test_our_processes_can_write_to_nothing_but_their_volumes_and_may_do_nothing(services: dict[str, Service]) -> None:
    ours = {name: service for name, service in services.items() if name not in STORES}
    assert set(ours) == {"secrets", "migrate", "api", "sequencer", "projections", "planner", "deliveries", "backups"}
    for service in ours.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "user" not in service, "the image says who it runs as"


def test_foreign_images_are_pinned_by_digest(services: dict[str, Service]) -> None:
    for name in STORES:
        assert re.search(r"@sha256:[0-9a-f]{64}$", services[name]["image"])
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    stages = re.findall(r"^FROM \S+ AS (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    foreign = [base for base in bases if base not in stages]
    assert foreign and all(re.search(r":.+@sha256:[0-9a-f]{64}$", base) for base in foreign)


def test_stores_are_reached_from_inside_only(services: dict[str, Service]) -> None:
    for name in STORES:
        assert list(services[name]["networks"]) == ["stores"]
        assert "ports" not in services[name]


def test_what_is_set_is_what_tidings_takes_and_no_secret_is_in_the_environment(services: dict[str, Service], made: Path) -> None:
    for service in services.values():
        settings = {name: value for name, value in service.get("environment", {}).items() if name.startswith("TIDINGS_")}
        loaded = load_settings({name: value.replace(SECRETS, str(made)) for name, value in settings.items()})
        if settings:
            assert loaded.database_url is not None and loaded.secret_key is not None
            assert not {loaded.database_url, loaded.secret_key} & set(settings.values())
    assert "POSTGRES_PASSWORD" not in services["postgres"]["environment"]


def test_secrets_are_made_once_and_for_their_readers_only(services: dict[str, Service], made: Path) -> None:
    first = {path.name: path.read_text() for path in made.iterdir()}
    modes = {path.name: path.stat().st_mode & 0o777 for path in made.iterdir()}
    assert modes.pop("postgres_password") == 0o444, "PostgreSQL runs as somebody else"
    assert set(modes.values()) == {0o400}
    assert first["postgres_password"].strip() in first["database_url"]

    make_secrets(services["secrets"], made)
    assert {path.name: path.read_text() for path in made.iterdir()} == first


def test_only_who_needs_to_can_write_secrets(services: dict[str, Service]) -> None:
    for name, service in services.items():
        [volume] = [one for one in service.get("volumes", []) if one["target"] == SECRETS] or [None]
        assert (volume is None) == (name == "valkey")
        if volume:
            assert volume.get("read_only", False) is (name != "secrets")
