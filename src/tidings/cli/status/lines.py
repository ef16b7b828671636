"""What the figures say, a line each, in the order in which they matter. Pure. The bounds are those of the alerts."""

import json
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from tidings.cli.levels import duration

State = Literal["ok", "warning", "error", "unknown"]
OLDEST_S = 10.0
UNPLANNED = 5000
OVERDUE_S = 60.0
DISK_LOW, DISK_FULL = 0.15, 0.05
CONNECTIONS_LOW = 0.85
BEHIND_BYTES = 256 * 1024**2
RETAINED_BYTES = 5 * 1024**3
# A backup may take its time, and the worker may be busy with another one.
BACKUP_GRACE_S = 2 * 3600
# Of a connector's destinations.
MANY_SPARED = 0.1

Status = dict[str, Any]


class Line(msgspec.Struct, frozen=True):
    name: str
    state: State
    text: str


def lines_of(status: Status) -> list[Line]:
    return [line(status) for line in LINES]


def api(status: Status) -> Line:
    check = status["checks"].get("api")
    if check is not None:
        return Line("API", "error", check["detail"])
    # What it depends on has lines of its own.
    held = status["streams"]
    state: State = "warning" if status["status"] == "draining" else "ok"
    processes = "number of processes unknown" if held["processes"] is None else counted(held["processes"], "process", "processes")
    text = f"answers that it is {status['status']}; {processes}; {counted(held['open'], 'stream')} open in the one that was asked"
    return Line("API", state, text)


def postgresql(status: Status) -> Line:
    check, server = status["checks"].get("postgresql"), status.get("server")
    if server is None:
        return Line("PostgreSQL", "error", (check or {}).get("detail") or "cannot be asked from here")
    text = f"{server['connections']} of {server['most_connections']} connections, {size(server['bytes'])}"
    is_low = server["connections"] > CONNECTIONS_LOW * server["most_connections"]
    return Line("PostgreSQL", "error" if check and check["status"] == "down" else "warning" if is_low else "ok", text)


def redis(status: Status) -> Line:
    check = status["checks"].get("redis")
    if check is None:
        return Line("Redis", "unknown", "no API process tells")
    return Line("Redis", "ok" if check["status"] == "ok" else "error", check.get("detail") or "reachable")


def sequencer(status: Status) -> Line:
    shards = status.get("shards") or []
    if not shards:
        return Line("Sequencer", "unknown", "PostgreSQL tells")
    leaderless = [str(shard["shard"]) for shard in shards if not shard["led"]]
    backlog, oldest_s = sum(shard["backlog"] for shard in shards), max(shard["oldest_s"] for shard in shards)
    waits = f"{counted(backlog, 'event')} waiting" + (f", the first for {duration(oldest_s)}" if backlog else "")
    if leaderless:
        return Line("Sequencer", "error", f"nobody leads shard {', '.join(leaderless)}; {waits}")
    return Line("Sequencer", "error" if oldest_s > OLDEST_S else "ok", f"{counted(len(shards), 'shard')} led; {waits}")


def planner(status: Status) -> Line:
    shards = status.get("shards") or []
    if not shards:
        return Line("Planner", "unknown", "PostgreSQL tells")
    unplanned, running = sum(shard["unplanned"] for shard in shards), (status.get("fanouts") or {}).get("running", 0)
    text = f"{counted(unplanned, 'event')} not yet deliveries; {counted(running, 'large audience')} being written"
    return Line("Planner", "warning" if unplanned > UNPLANNED else "ok", text)


def due(status: Status) -> Line:
    ledger = status.get("deliveries")
    if ledger is None:
        return Line("Deliveries", "unknown", "PostgreSQL tells")
    found = ledger["connectors"]
    worst = max(found, key=lambda name: found[name].get("overdue_s", 0.0), default=None)
    overdue_s = 0.0 if worst is None else found[worst].get("overdue_s", 0.0)
    count, delivered = (sum(one.get(name, 0) for one in found.values()) for name in ("due", "delivered"))
    text = f"{count:,} due, {ledger['leased']:,} with workers, {delivered:,} delivered in the last hour"
    if overdue_s > OVERDUE_S:
        return Line("Deliveries", "warning", f"{text}; the first ({worst}) due for {duration(overdue_s)}")
    return Line("Deliveries", "ok", text)


def breakers(status: Status) -> Line:
    found = (status.get("deliveries") or {"connectors": {}})["connectors"]
    spared = {name: one["breakers"]["open"] for name, one in found.items() if one.get("breakers", {}).get("open")}
    if not spared:
        return Line(
            "Breakers", "ok" if status.get("deliveries") else "unknown", "none open" if status.get("deliveries") else "PostgreSQL tells"
        )
    many = any(count > MANY_SPARED * sum(found[name]["breakers"].values()) for name, count in spared.items())
    return Line("Breakers", "warning" if many else "ok", "open: " + ", ".join(f"{count} {name}" for name, count in sorted(spared.items())))


def dead(status: Status) -> Line:
    ledger = status.get("deliveries")
    if ledger is None:
        return Line("Dead letters", "unknown", "PostgreSQL tells")
    counts = {name: one.get("dead", 0) for name, one in ledger["connectors"].items() if one.get("dead", 0)}
    text = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "none"
    return Line("Dead letters", "warning" if counts else "ok", f"{text} in the last hour")


def backups(status: Status) -> Line:
    known = status.get("backups")
    if known is None:
        return Line("Backups", "unknown", "PostgreSQL tells")
    if not known["schedule"]:
        return Line("Backups", "warning", "none are made: set TIDINGS_BACKUP_URL and run `tidings worker backups`")
    made = [backup_of(kind, every_s, known) for kind, every_s in sorted(known["schedule"].items()) if kind in MADE]
    states, said = zip(*made or [NONE_MADE], strict=True)
    last = known["last"].get("drill")
    drill = drill_text(last) if last else "no drill yet"
    running = [task for task, one in known["last"].items() if one["state"] == "running"]
    state: State = "error" if "error" in states else "warning" if "warning" in states else "ok"
    return Line("Backups", state, "; ".join([*said, drill, *(f"{task} under way" for task in running)]))


MADE = ("logical", "physical")
NONE_MADE: tuple[State, str] = ("warning", "Tidings is told to make none")


def backup_of(kind: str, every_s: float, known: Status) -> tuple[State, str]:
    made, checked, last = known["made"].get(kind), known["last"].get("verify"), known["last"].get(kind)
    if made is None:
        return "error", f"{kind}: none yet"
    proven_s = made["proven_age_s"]
    text = f"{kind}: {duration(made['age_s'])} old, " + ("none proven" if proven_s is None else f"proven {duration(proven_s)}")
    if last is not None and last["state"] == "failed":
        return "error", f"{text}, the last failed ({last['failure']})"
    if checked is not None and checked["state"] == "failed":
        return "error", f"{text}, the last check failed ({checked['failure']})"
    is_late = made["age_s"] > every_s + BACKUP_GRACE_S
    return "error" if is_late else "warning" if proven_s is None else "ok", text


def drill_text(last: Status) -> str:
    """RPO and RTO as it measured them."""
    if last["state"] == "failed":
        return f"the last drill failed ({last['failure']})"
    result = json.loads(last["result"] or "{}")
    figures = [
        f"{word} {duration(result[name])}" for name, word in (("rpo_s", "lost"), ("rto_s", "down for")) if result.get(name) is not None
    ]
    return f"drill {duration(last['ago_s'])} ago" + (": " + ", ".join(figures) if figures else "")


def disk(status: Status) -> Line:
    found = status["disk"]
    if found is None:
        return Line("Disk", "unknown", "no state folder here; look where PostgreSQL's data lies")
    share = found["free_bytes"] / found["size_bytes"]
    state: State = "error" if share < DISK_FULL else "warning" if share < DISK_LOW else "ok"
    return Line("Disk", state, f"{size(found['free_bytes'])} of {size(found['size_bytes'])} free at {found['folder']}")


def replication(status: Status) -> Line:
    server = status.get("server")
    if server is None:
        return Line("Replication", "unknown", "PostgreSQL tells")
    text = f"{counted(server['readers'], 'reader')} of its log"
    if server["retained_bytes"] > RETAINED_BYTES:
        return Line("Replication", "warning", f"{text}; a slot keeps {size(server['retained_bytes'])} of log on its disk")
    if server["behind_bytes"] > BEHIND_BYTES:
        return Line("Replication", "warning", f"{text}; the slowest is {size(server['behind_bytes'])} behind")
    return Line("Replication", "ok", text)


def switches(status: Status) -> Line:
    halted = status.get("switches")
    if halted is None:
        return Line("Kill switches", "unknown", "PostgreSQL tells")
    said = [f"{one['connector']} since {one['halted_at'][:16]}" + (f" ({one['reason']})" if one["reason"] else "") for one in halted]
    text = "halted: " + ", ".join(said) if said else "none thrown"
    flags = f"; flags set: {', '.join(status['flags'])}" if status.get("flags") else ""
    return Line("Kill switches", "warning" if halted else "ok", text + flags)


LINES: tuple[Callable[[Status], Line], ...] = (
    api, postgresql, redis, sequencer, planner, due, breakers, dead, backups, disk, replication, switches,
)  # fmt: skip


def counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"
