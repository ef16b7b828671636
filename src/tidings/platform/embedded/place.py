"""Where the embedded servers' programs and data lie, and as which user they run.

An ordinary user runs them in place, with the data in the state folder. PostgreSQL refuses to run as root, so root runs both as an
unprivileged user: the programs are copied once to a folder that this user can read, and the data too lies there when the state
folder cannot be reached by others (as below /root).
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tidings.errors import Misconfigured

SHARED = Path("/var/lib/tidings")


def runner() -> pwd.struct_passwd | None:
    """Whom root lets the servers run as; None for an ordinary user, who runs them himself."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Misconfigured(
        "PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody. Start Tidings as an ordinary user."
    )


def as_runner(then: Callable[[], None] | None = None) -> dict[str, Any]:
    """The options of a subprocess that make it run as that user. then: what its `preexec_fn` does besides.

    Not by `user` and `group`: uvloop knows neither, and what the workers start there failed as root alone.
    """
    user = runner()
    return {"preexec_fn": then if user is None else partial(become, user, then)}


def become(user: pwd.struct_passwd, then: Callable[[], None] | None) -> None:
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    if then is not None:
        # After that: Linux forgets at a change of user whom a death is to be signalled to.
        then()


def make_state(state: Path) -> Path:
    """The state folder, made when it is missing. Root's may be passed through by the servers' user, but not listed."""
    state = state.absolute()
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700 if runner() is None else 0o711)
    except OSError as error:
        raise Misconfigured(f"TIDINGS_STATE_DIR={state} cannot be used: {error.strerror}.") from error
    return state


def data_folder(state: Path, name: str, fresh: bool) -> Path:
    """Where a server keeps its data, made when it is missing. fresh: the state folder knows of no server yet."""
    user = runner()
    if user is None or can_be_reached(state):
        base = state
    else:
        base = SHARED / "state" / hashlib.sha256(str(state).encode()).hexdigest()[:16]
        if fresh and (base / name).exists():
            # The state folder, and with it the password, was removed: what it belonged to is put aside, not opened.
            (base / name).rename(base / f"{name}.of-a-removed-state.{int(time.time())}")
    folder = base / name
    base.mkdir(parents=True, exist_ok=True, mode=0o711)
    folder.mkdir(exist_ok=True, mode=0o700)
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def can_be_reached(path: Path) -> bool:
    """Whether any user may pass through every folder on the way."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def programs(distribution: str, *folders: str) -> Path:
    """The folder that holds these folders of a wheel, for the user who runs them.

    folders: kept beside each other, since the programs find their libraries by relative paths. Those the wheel lacks are passed over.
    """
    spec = importlib.util.find_spec(folders[0])
    if spec is None or spec.origin is None:
        raise Misconfigured(
            f"{distribution} is not installed. Either install tidings[embedded], or say where your own servers are: "
            "TIDINGS_DATABASE_URL and TIDINGS_REDIS_URL."
        )
    site = Path(spec.origin).parent.parent
    if runner() is None:
        return site
    target = SHARED / f"{distribution}-{importlib.metadata.version(distribution)}"
    if not target.exists():
        copy_whole([site / folder for folder in folders if (site / folder).exists()], target)
    return target


def copy_whole(folders: list[Path], target: Path) -> None:
    """Copy for everyone to read and run; the target appears complete or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    half = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        for folder in folders:
            shutil.copytree(folder, half / folder.name, symlinks=True)
        for path in (half, *half.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        half.rename(target)
    except OSError:
        if not target.exists():  # else somebody else was first
            raise
    finally:
        shutil.rmtree(half, ignore_errors=True)
