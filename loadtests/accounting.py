"""What a process costs, by the kernel's own books (Linux)."""

from pathlib import Path


def cpu_s(*pids: int) -> float:
    """Seconds on a processor of all threads of these processes so far. /proc/PID/task/*/schedstat counts nanoseconds; `ps` counts ticks."""
    return sum(int(task.read_text().split()[0]) for pid in pids for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def resident_bytes(pid: int) -> int:
    """Memory that is this process's own: RssAnon, so that shared libraries and mapped files do not count."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


def family_of(pid: int) -> list[int]:
    """A process and all its descendants: PostgreSQL answers each connection from a child."""
    children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    return [pid, *(member for child in children for member in family_of(child))]
