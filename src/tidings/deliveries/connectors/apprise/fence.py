"""What the code of Apprise's services may do while it sends: compute, and read the modules it is made of.

Some of them speak by sockets of their own, start programs, write what they remember, or take a file of this machine as a template
(`slack://…?template=/etc/passwd`) and send it. In a thread inside the fence all of these fail like what is not permitted. CPython asks
an audit hook before each (PEP 578); it is there for good once it is set, so it looks at the thread first.
"""

import os
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

FAMILIES = ("socket.", "subprocess.", "os.", "shutil.", "tempfile.", "ctypes.", "mmap.", "pty.", "smtplib.", "ftplib.", "sqlite3.")
# Imports look into folders.
HARMLESS = frozenset({"os.listdir", "os.scandir"})
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

here = threading.local()


class Fenced(PermissionError):
    """Services take it for a failure of the system, as any other."""


@contextmanager
def fence() -> Iterator[None]:
    """For this thread. It does not hold threads that are started within: services that start some are not sent to (`services.py`)."""
    set_hook()
    here.inside = True
    try:
        yield
    finally:
        here.inside = False


@cache
def set_hook() -> None:
    readable()
    sys.addaudithook(refuse)


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if not getattr(here, "inside", False):
        return
    if event == "open":
        check_open(*arguments)
    elif event.startswith(FAMILIES) and event not in HARMLESS:
        raise Fenced(f"{event} is not permitted to a service of Apprise.")


def check_open(path: object, mode: str | None, flags: int) -> None:
    if flags & WRITING or not isinstance(path, str | bytes) or not is_readable(os.fsdecode(path)):
        raise Fenced("Files are closed to a service of Apprise.")


def is_readable(path: str) -> bool:
    return os.path.realpath(path).startswith(readable())


@cache
def readable() -> tuple[str, ...]:
    """The folders of Python's modules and of what was installed."""
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders |= {folder for folder in sys.path if os.path.isdir(os.path.join(folder, "apprise", "plugins"))}
    return tuple(os.path.realpath(folder) + os.sep for folder in sorted(folders))
