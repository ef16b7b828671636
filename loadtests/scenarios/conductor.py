"""The master's view of a run: its phases, what all processes have counted, and the verdict.

gather  until every stream is live
run     the stages, with their storms
settle  until everything that was accepted has arrived, and a moment longer: what comes twice would come now
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from locust.env import Environment
from locust.stats import StatsEntry

from loadtests.scenarios.report import Point, Report, table, write
from loadtests.scenarios.scenario import Scenario
from loadtests.scenarios.tally import Tally, high, together
from loadtests.scenarios.verdict import verdicts
from loadtests.scenarios.webhooks import Counted, Hook

T = TypeVar("T")
Phase = Literal["gather", "run", "settle", "over"]
AFTERWARDS_S = 1.0
TELL_EACH_S = 5.0


class Conductor:
    """name: of the scenario.   local: what this process itself counts, where there are no workers.

    folder: for reports; `phase` there says what is going on, and `kills` gets a line for each process that somebody killed meanwhile.
    """

    def __init__(
        self, environment: Environment, name: str, scenario: Scenario, folder: Path, hook: Hook | None, local: Callable[[], Tally] | None
    ) -> None:
        self.environment = environment
        self.name = name
        self.scenario = scenario
        self.folder = folder
        self.hook = hook
        self.local = local
        self.tallies: dict[str, Tally] = {}
        self.counted = Counted()
        self.points: list[Point] = []
        self.seen: dict[str, dict[int, int]] = {}
        self.storms = list(scenario.storms_s)
        self.phase: Phase = "gather"
        self.since = self.began_at = time.monotonic()
        self.told_at = 0.0
        self.arrived_at: float | None = None
        self.trouble: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "kills").write_text("")
        self.enter("gather")

    @property
    def total(self) -> Tally:
        return together([self.local()] if self.local is not None else self.tallies.values())

    def enter(self, phase: Phase) -> None:
        self.phase, self.since = phase, time.monotonic()
        (self.folder / "phase").write_text(phase)

    def start(self) -> None:
        if self.hook is not None:
            self.attempt(self.hook.open)

    def attempt(self, do: Callable[[], T]) -> T | None:
        """Something about webhooks. Where it fails, the thresholds will say that they did not come, and this why."""
        try:
            return do()
        except OSError as error:
            if (what := f"webhooks: {error}") not in self.trouble:
                self.trouble.append(what)
            return None

    def tick(self) -> bool:
        """Once a second. False when it is over, and the reports are written."""
        total, passed = self.total, time.monotonic() - self.since
        if self.phase == "gather":
            if total.gathered >= self.scenario.streams:
                self.begin()
            elif passed > self.scenario.gather_s:
                self.end([f"only {total.gathered} of {self.scenario.streams} streams were live within {self.scenario.gather_s:g} s"])
        elif self.phase == "run":
            self.note(passed, total)
            if self.storms and passed >= self.storms[0]:
                self.storms.pop(0)
                self.send("storm")
            if passed >= self.scenario.seconds:
                self.enter("settle")
        elif self.phase == "settle":
            self.note(self.scenario.seconds + passed, total)
            if self.has_settled(total) or passed > self.scenario.settle_s:
                self.end(total.told)
        self.tell(total)
        return self.phase != "over"

    def begin(self) -> None:
        self.environment.stats.clear_all()
        self.send("begin")
        self.enter("run")

    def send(self, message: str) -> None:
        assert self.environment.runner is not None
        self.environment.runner.send_message(message)

    def has_settled(self, total: Tally) -> bool:
        """Whether everybody is back and everything has arrived, and that for a moment."""
        if self.hook is not None:
            self.counted = self.attempt(self.hook.counted) or self.counted
        is_away = total.streams < self.scenario.users.listeners
        if is_away or total.pending or total.unanswered or (self.hook is not None and self.counted.distinct < total.accepted):
            self.arrived_at = None
        elif self.arrived_at is None:
            self.arrived_at = time.monotonic()
        return self.arrived_at is not None and time.monotonic() - self.arrived_at >= AFTERWARDS_S

    def end(self, told: list[str]) -> None:
        measured = self.measured(self.total)
        found = verdicts(self.scenario.thresholds, measured)
        report = Report(
            scenario=self.name,
            summary=self.scenario.summary,
            holds=all(verdict.holds for verdict in found),
            verdicts=found,
            measured=measured,
            seconds=round(time.monotonic() - self.began_at, 1),
            processes=max(1, len(self.tallies)),
            told=[*self.trouble, *told],
            points=self.points,
            failures=[
                f"{error.method} {error.name}: {error.error} ({error.occurrences} ×)" for error in self.environment.stats.errors.values()
            ],
        )
        write(report, self.folder)
        print(f"\n{table(report)}", flush=True)
        self.environment.process_exit_code = 0 if report.holds else 1
        if self.hook is not None:
            self.attempt(self.hook.close)
        self.enter("over")

    def entry(self, method: str, name: str) -> StatsEntry:
        return self.environment.stats.get(name, method)

    def percentile(self, method: str, name: str, share: float) -> float | None:
        """In milliseconds, as Locust rounds them: to two digits."""
        entry = self.entry(method, name)
        return float(entry.get_response_time_percentile(share)) if entry.num_requests else None

    def error_ratio(self) -> float:
        entries = [entry for entry in self.environment.stats.entries.values() if entry.name not in ("event", "reconnect")]
        return sum(entry.num_failures for entry in entries) / max(1, sum(entry.num_requests for entry in entries))

    def measured(self, total: Tally) -> dict[str, float | None]:
        has_hook = self.hook is not None
        return {
            "lost": total.pending,
            "duplicates": total.duplicates,
            "out_of_order": total.out_of_order,
            "strays": total.strays,
            "missing_in_inbox": total.missing_in_inbox,
            "resets": total.resets,
            "unanswered": total.unanswered,
            "accepted": total.accepted,
            "reached": total.accepted / self.scenario.planned if self.scenario.planned else None,
            "publish_p50_ms": self.percentile("POST", "publish", 0.5),
            "publish_p99_ms": self.percentile("POST", "publish", 0.99),
            "stream_p50_ms": self.percentile("SSE", "event", 0.5),
            "stream_p99_ms": self.percentile("SSE", "event", 0.99),
            "reconnects": total.reconnects,
            "reconnect_p99_ms": self.percentile("SSE", "reconnect", 0.99),
            "inbox_p99_ms": self.percentile("GET", "inbox", 0.99),
            "error_ratio": self.error_ratio(),
            "webhooks_lost": max(0, total.accepted - self.counted.distinct) if has_hook else None,
            "webhooks_repeated": self.counted.repeated if has_hook else None,
            "webhooks_forged": self.counted.forged if has_hook else None,
            "webhooks_refused": self.counted.refused if has_hook else None,
            "kills": len((self.folder / "kills").read_text().splitlines()),
            "generator_cpu": total.cpu,
        }

    def note(self, at_s: float, total: Tally) -> None:
        """A point of the charts."""
        published, publish_p99 = self.lately("POST", "publish")
        arrived, stream_p99 = self.lately("SSE", "event")
        self.points.append(Point(round(at_s, 1), published, arrived, publish_p99, stream_p99, total.pending, total.streams))

    def lately(self, method: str, name: str) -> tuple[int, float | None]:
        """Of the requests since the last point: how many, and their 99th percentile in milliseconds."""
        now: dict[int, int] = dict(self.entry(method, name).response_times)
        before = self.seen.get(name, {})
        self.seen[name] = now
        fresh = {time_ms: count - before.get(time_ms, 0) for time_ms, count in now.items()}
        return sum(fresh.values()), high(fresh, 0.99)

    def tell(self, total: Tally) -> None:
        if time.monotonic() - self.told_at < TELL_EACH_S and self.phase != "over":
            return
        self.told_at = time.monotonic()
        print(
            f"{self.name}, {self.phase} {time.monotonic() - self.since:.0f} s: {total.streams} streams, {total.accepted} accepted, "
            f"{total.pending} on their way, {total.reconnects} came back",
            flush=True,
        )


def tally_of(data: dict[str, Any]) -> Tally:
    """What a worker sent."""
    return Tally(**data)
