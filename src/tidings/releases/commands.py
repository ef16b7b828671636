"""Runs what the operator wrote down, without a shell."""

import subprocess

from tidings.errors import Misconfigured
from tidings.releases.plan import Command

WAITS_S = 10.0


def run(command: Command, within_s: float = WAITS_S) -> None:
    """Raises Misconfigured with the command's own last words."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=within_s, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Misconfigured(f"`{' '.join(command)}`: {error}") from error
    if done.returncode != 0:
        raise Misconfigured(f"`{' '.join(command)}` ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}")
