"""What systemd is to `release.toml`, for a test: starts a process in the background, and ends one and waits. unit.py start|stop FILE

FILE: JSON with `command`, `environment` and `log`; the process' id is kept beside it.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]

STOPS_WITHIN_S = 60


def start(unit: Path) -> None:
    told = json.loads(unit.read_text())
    with open(told["log"], "ab") as log:
        process = subprocess.Popen(
            told["command"], env=os.environ | told["environment"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    unit.with_suffix(".pid").write_text(str(process.pid))


def stop(unit: Path) -> None:
    pid = unit.with_suffix(".pid")
    if not pid.exists():
        return
    try:
        process = psutil.Process(int(pid.read_text()))
        process.terminate()
        until = time.monotonic() + STOPS_WITHIN_S
        # A zombie has ended, whoever its parent is.
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < until, f"{unit} did not end"
            time.sleep(0.05)
    except psutil.NoSuchProcess:
        pass
    pid.unlink()


def kill(unit: Path) -> None:
    pid = unit.with_suffix(".pid")
    if pid.exists():
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(int(pid.read_text())).kill()


if __name__ == "__main__":
    {"start": start, "stop": stop}[sys.argv[1]](Path(sys.argv[2]))
