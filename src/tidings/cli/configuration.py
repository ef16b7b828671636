"""The settings as a command needs them: with the addresses of the embedded servers where none are given."""

import os
from pathlib import Path

import msgspec

from tidings.errors import Misconfigured
from tidings.platform.embedded.memory import recall
from tidings.platform.embedded.postgres import database_url
from tidings.platform.embedded.valkey import redis_url
from tidings.settings import Settings, load_settings

# Read by `send` and `tail`, and by `doctor`, themselves: no settings of Tidings.
API_KEY = "TIDINGS_API_KEY"
TOKEN = "TIDINGS_TOKEN"  # noqa: S105, the name of a variable


def settings_from_environment() -> Settings:
    """Raises Misconfigured."""
    settings = load_settings({name: value for name, value in os.environ.items() if name not in (API_KEY, TOKEN)})
    return msgspec.structs.replace(settings, state_dir=settings.state_dir.absolute())


def settings_with_servers() -> Settings:
    """With both URLs. Raises Misconfigured when neither the environment nor the state folder knows them."""
    settings = settings_from_environment()
    servers = recall(settings.state_dir)
    known: dict[str, str] = {}
    if settings.database_url is None and "postgres" in servers:
        known["database_url"] = database_url(servers["postgres"])
    if settings.redis_url is None and "valkey" in servers:
        known["redis_url"] = redis_url(servers["valkey"])
    settings = msgspec.structs.replace(settings, **known)
    require_servers(settings)
    return settings


def require_servers(settings: Settings) -> None:
    for name, url in (("TIDINGS_DATABASE_URL", settings.database_url), ("TIDINGS_REDIS_URL", settings.redis_url)):
        if url is None:
            raise Misconfigured(
                f"{name} is not set, and {settings.state_dir} knows of no embedded servers. "
                "Set it, or use `tidings run`, which starts servers of its own."
            )


def demo_file(settings: Settings) -> Path:
    return settings.state_dir / "demo.json"
