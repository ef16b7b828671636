"""How far a release is: a small file, written before each step, so that whoever comes after a kill knows what to take back."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from tidings.errors import Misconfigured, TidingsError
from tidings.releases.plan import Plan

Phase = Literal["done", "switching", "draining", "rolled back"]


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """live: the colour that serves, and that a rollback comes back to.   candidate: the one that gets `share` percent while it is tried.

    reasons: why the last one was rolled back.
    """

    live: str
    candidate: str | None = None
    share: int = 0
    phase: Phase = "done"
    previous: str | None = None
    reasons: tuple[str, ...] = ()
    at: datetime | None = None

    @property
    def shares(self) -> dict[str, int]:
        """In percent, as the proxy should have them."""
        return {self.live: 100} if self.candidate is None else {self.live: 100 - self.share, self.candidate: self.share}


def read_state(plan: Plan) -> State:
    """As the plan says, before the first release. Raises Misconfigured."""
    try:
        state = msgspec.json.decode(plan.state.read_bytes(), type=State)
    except FileNotFoundError:
        return State(plan.live)
    except (OSError, msgspec.DecodeError) as error:
        raise Misconfigured(f"{plan.state} cannot be read: {error}. Put it right, or delete it: then `live` of the plan holds.") from error
    if {state.live, state.candidate or state.live, state.previous or state.live} - set(plan.colours):
        raise Misconfigured(f"{plan.state} names a colour that the plan does not have. Put it right, or delete it.")
    return state


def write_state(plan: Plan, state: State) -> State:
    draft = plan.state.with_name(f".{plan.state.name}.draft")
    with draft.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(state)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, plan.state)
    return state


@contextlib.contextmanager
def only_release(path: Path) -> Iterator[None]:
    """One at a time. The lock ends with the process, however that ends."""
    with path.with_name(f".{path.name}.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise TidingsError(
                f"Process {file.read().strip() or '?'} is at a release here. SIGINT makes it take back what it began."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
