"""Processes that end when the supervisor does, also when that is killed and can tell nobody."""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
# Loaded before the fork: the child may not allocate much between fork and exec.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def signalled_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """A preexec_fn for programs that are not ours: Linux signals them when the parent dies. None elsewhere."""
    libc = _libc
    if libc is None:
        return None
    return lambda: libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def end_with_supervisor(within_s: float) -> None:
    """For our own processes, on every system: standard input is a pipe from the supervisor, and ends with it.

    within_s: what the process gets for an orderly end.
    """
    threading.Thread(target=await_end_of_input, args=(within_s,), name="lifeline", daemon=True).start()


def await_end_of_input(within_s: float) -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(within_s)
    os._exit(1)
