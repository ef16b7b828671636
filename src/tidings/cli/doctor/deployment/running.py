"""What runs, as `tidings status` sees it, with what each line means and what to do about it."""

from typing import NamedTuple

from tidings.cli.doctor.deployment.finding import Finding
from tidings.cli.status.lines import Line


class Cure(NamedTuple):
    means: str
    mend: tuple[str, ...]
    runbook: str


# In PostgreSQL's connections.
MAKE_ROOM = (
    "SELECT application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC;  (as a superuser)",
    "fewer processes, a smaller TIDINGS_DATABASE_POOL, or a larger max_connections",
)

CURES = {
    "API": Cure(
        "Browsers and servers get no answer, or one that says it is not ready.",
        ("tidings run  (one machine), or start `tidings api` again", "its log says why it ended"),
        "docs/runbooks/process-missing.md",
    ),
    # Of one that is there: one that is not has no line here (`examine.py`).
    "PostgreSQL": Cure(
        "Where a process finds no connection, publishing answers 503. What was accepted is safe.",
        MAKE_ROOM,
        "docs/runbooks/postgres-lost.md",
    ),
    "Redis": Cure(
        "Events arrive within two seconds, deliveries wait. Nothing is lost.",
        ('redis-cli -u "$TIDINGS_REDIS_URL" PING', "start it again; it may be empty"),
        "docs/runbooks/redis-lost.md",
    ),
    "Sequencer": Cure(
        "What is published is kept and waits: nothing arrives.",
        ("TIDINGS_METRICS_PORT=0 tidings worker sequencer", "its log says why it does not lead"),
        "docs/runbooks/sequencer-stuck.md",
    ),
    "Planner": Cure(
        "Inboxes and streams are not concerned; webhooks, mail and the like come late.",
        ("TIDINGS_METRICS_PORT=0 tidings worker planner", "tidings status --watch"),
        "docs/runbooks/lag.md",
    ),
    "Deliveries": Cure(
        "Webhooks, mail and the like come late.",
        ("TIDINGS_METRICS_PORT=0 tidings worker deliveries  (as many as there is to send)", "tidings status --watch"),
        "docs/runbooks/lag.md",
    ),
    "Breakers": Cure(
        "These destinations failed too often and are spared; their deliveries wait for them.",
        ("tidings levels", "tidings deliveries list --state pending"),
        "docs/runbooks/breaker-open.md",
    ),
    "Dead letters": Cure(
        "Those were given up: their receivers did not take them within the schedule.",
        ("tidings deliveries list --state dead", "tidings deliveries replay --help"),
        "docs/runbooks/breaker-open.md",
    ),
    "Backups": Cure(
        "A loss of the database now would lose what came since the last good backup.",
        ("tidings backup list", "tidings backup run"),
        "docs/runbooks/backup-late.md",
    ),
    "Replication": Cure(
        "A promotion now would lose what the replica has not got; what is kept for it fills the disk.",
        ("SELECT * FROM pg_stat_replication;", "SELECT slot_name, active FROM pg_replication_slots;"),
        "docs/runbooks/postgres-lost.md",
    ),
    "Kill switches": Cure(
        "Somebody halted it. What is for it waits.",
        ("tidings connectors list", "tidings connectors resume NAME"),
        "docs/runbooks/breaker-open.md",
    ),
}


def findings_of(lines: list[Line]) -> list[Finding]:
    """Disk and Redis are looked at more closely elsewhere, if they are there at all."""
    found: list[Finding] = []
    for line in lines:
        cure = CURES.get(line.name)
        if cure is None or line.state == "unknown":
            continue
        if line.state == "ok":
            found.append(Finding(line.name, "ok", f"{line.name}: {line.text}"))
        else:
            found.append(Finding(line.name, line.state, f"{line.name}: {line.text}", cure.means, cure.mend, cure.runbook))
    return found
