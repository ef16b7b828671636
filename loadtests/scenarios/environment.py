"""Settings of a run as variables; each may stand in a file instead, as in LOAD_KEY_FILE, which is where Kubernetes keeps secrets."""

import os
from pathlib import Path


class Unset(Exception):
    """Says which one."""


def setting(name: str) -> str:
    """Empty where it is not set. Raises OSError when its file cannot be read."""
    file = os.environ.get(f"{name}_FILE", "")
    return Path(file).read_text().strip() if file else os.environ.get(name, "")


def needed(name: str) -> str:
    """Raises Unset."""
    value = setting(name)
    if not value:
        raise Unset(f"{name} is not set, nor {name}_FILE")
    return value
