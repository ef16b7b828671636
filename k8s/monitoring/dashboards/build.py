"""Grafana's dashboards, written from what is below: `python k8s/monitoring/dashboards/build.py` writes the JSON files beside this one.

A dashboard is rows of panels from what matters most to what explains it. Every process answers /metrics; what planners tell of the whole
deployment is the same in each, so it is read by `max`, never by `sum`.
"""

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

HERE = Path(__file__).parent
SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH = 24
HEIGHT = {"stat": 4, "timeseries": 8, "table": 8}
RED, YELLOW, GREEN = "red", "yellow", "green"

Kind = Literal["stat", "timeseries", "table"]
Steps = tuple[tuple[str, float | None], ...]

# Worse upwards, or downwards; None is where the first colour begins.
NONE_IS_GOOD: Steps = ((GREEN, None), (RED, 1))
ONE_IS_GOOD: Steps = ((RED, None), (GREEN, 1))


class Panel(NamedTuple):
    """asks: PromQL, and how a line of its answer is called.   wide: of 24.   steps: colours, and from which value on they hold."""

    title: str
    asks: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: Kind = "timeseries"
    wide: int = 8
    steps: Steps = ()
    says: str = ""
    stacked: bool = False


class Dashboard(NamedTuple):
    """rows: by their titles."""

    file: str
    title: str
    says: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


def stat(title: str, ask: str, unit: str = "short", steps: Steps = (), says: str = "", wide: int = 4) -> Panel:
    return Panel(title, ((ask, ""),), unit, "stat", wide, steps, says)


def quantiles(histogram: str, by: str = "") -> tuple[tuple[str, str], ...]:
    """Half, 95 % and 99 % of the last five minutes."""
    labels = f"le, {by}" if by else "le"
    legend = f"{{{{{by}}}}} " if by else ""
    return tuple(
        (f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket[$__rate_interval])))", f"{legend}p{share * 100:g}")
        for share in (0.5, 0.95, 0.99)
    )


def rate(counter: str, by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (rate({counter}[$__rate_interval]))"


def age(timestamp: str, by: str) -> str:
    return f"time() - max by ({by}) ({timestamp})"


HEALTH = (
    stat("PostgreSQL", 'min(tidings_server_up{server="postgresql"})', steps=ONE_IS_GOOD, says="0 while an API process cannot ask it."),
    stat(
        "Redis", 'min(tidings_server_up{server="redis"})', steps=ONE_IS_GOOD, says="0: events arrive within two seconds, deliveries wait."
    ),
    stat("Shards without a leader", "count(sum by (shard) (tidings_sequencer_leads) == 0) or vector(0)", steps=NONE_IS_GOOD),
    stat("Oldest event that waits", "max(tidings_backlog_oldest_seconds)", "s", ((GREEN, None), (YELLOW, 2), (RED, 10))),
    stat("Open streams", "sum(tidings_streams)"),
    stat("Alerts that page", 'count(ALERTS{alertstate="firing", severity="page"}) or vector(0)', steps=NONE_IS_GOOD),
)

OVERVIEW = Dashboard(
    "overview.json",
    "Tidings",
    "Is all well, and for whom not.",
    (
        ("Health", HEALTH),
        (
            "What was promised",
            (
                Panel(
                    "How fast error budgets are spent, last hour",
                    (("tidings:burn1h", "{{level}}"),),
                    steps=((GREEN, None), (YELLOW, 6), (RED, 14.4)),
                    says="1 lasts 30 days; at 14.4 it is gone in two.",
                ),
                Panel(
                    "Of deliveries, last hour",
                    (('max by (connector, objective) (tidings_service_burn_rate{window="1h"})', "{{connector}} {{objective}}"),),
                    steps=((GREEN, None), (YELLOW, 6), (RED, 14.4)),
                ),
                Panel(
                    "Error budget of deliveries that is left, 30 days",
                    (("min by (connector, objective) (tidings_service_budget_left)", "{{connector}} {{objective}}"),),
                    "percentunit",
                    steps=((RED, None), (YELLOW, 0), (GREEN, 0.25)),
                ),
            ),
        ),
        (
            "What people get",
            (
                Panel(
                    "Notifications",
                    (
                        (rate("tidings_notifications_accepted_total"), "sent"),
                        (rate("tidings_inbox_rows_total"), "in inboxes"),
                        (rate("tidings_events_streamed_total"), "on streams"),
                        ('sum(rate(tidings_deliveries_total{outcome="delivered"}[$__rate_interval]))', "delivered elsewhere"),
                    ),
                    "reqps",
                ),
                Panel("What they do with them", ((rate("tidings_marks_total", "mark"), "{{mark}}"),), "reqps"),
                Panel("From commit to the stream", quantiles("tidings_stream_lag_seconds"), "s"),
            ),
        ),
        (
            "What comes in",
            (
                Panel("Answers", ((rate("tidings_requests_total", "status"), "{{status}}"),), "reqps", stacked=True),
                Panel("Publish: arrival to commit", quantiles("tidings_publish_seconds"), "s"),
                Panel("Publishes refused", ((rate("tidings_publish_refused_total"), "backlog full"),), "reqps"),
            ),
        ),
    ),
)

EVENTS = Dashboard(
    "events.json",
    "Tidings: events and streams",
    "From the commit to the browser.",
    (
        (
            "Sequencer",
            (
                Panel("From commit to position", quantiles("tidings_sequencer_lag_seconds"), "s"),
                Panel("Events given a position", ((rate("tidings_events_sequenced_total"), "events"),), "reqps"),
                Panel("Who leads", (("sum by (shard, instance) (tidings_sequencer_leads) > 0", "{{shard}}: {{instance}}"),)),
            ),
        ),
        (
            "Backlog",
            (
                Panel(
                    "Events that wait for their position",
                    (("max by (shard) (tidings_backlog_events)", "{{shard}}"), ("max(tidings_backlog_limit_events)", "limit")),
                ),
                Panel("Age of the first", (("max by (shard) (tidings_backlog_oldest_seconds)", "{{shard}}"),), "s"),
                Panel("Publishes that shared a commit", quantiles("tidings_publish_batch")),
            ),
        ),
        (
            "Streams",
            (
                Panel("Open", (("sum by (instance) (tidings_streams)", "{{instance}}"),), stacked=True),
                Panel(
                    "Opened, by where what was missed came from", ((rate("tidings_streams_opened_total", "replay"), "{{replay}}"),), "reqps"
                ),
                Panel("Ended by Tidings", ((rate("tidings_streams_closed_total", "reason"), "{{reason}}"),), "reqps"),
            ),
        ),
        (
            "Caches",
            (
                Panel(
                    "Share of questions that had an answer",
                    (
                        (
                            'sum by (cache) (rate(tidings_cache_lookups_total{result="hit"}[$__rate_interval]))'
                            " / sum by (cache) (rate(tidings_cache_lookups_total[$__rate_interval]))",
                            "{{cache}}",
                        ),
                    ),
                    "percentunit",
                    wide=12,
                ),
                Panel("Answers held", (("sum by (cache) (tidings_cache_entries)", "{{cache}}"),), wide=12),
            ),
        ),
    ),
)

DELIVERIES = Dashboard(
    "deliveries.json",
    "Tidings: deliveries",
    "Webhooks, mail, chats, SMS, push and analytics.",
    (
        (
            "Now",
            (
                stat("Due", "sum(max by (connector) (tidings_deliveries_due)) or vector(0)"),
                stat("First due since", "max(tidings_deliveries_overdue_seconds)", "s", ((GREEN, None), (YELLOW, 60), (RED, 300))),
                stat("With workers", "max(tidings_deliveries_leased)"),
                stat("Breakers open", 'sum(max by (connector) (tidings_breakers{state="open"})) or vector(0)', steps=NONE_IS_GOOD),
                stat("Halted connectors", "count(max by (connector) (tidings_connectors_halted) > 0) or vector(0)", steps=NONE_IS_GOOD),
                stat("Targets missed", "sum(max by (connector) (tidings_service_levels_missed)) or vector(0)", steps=NONE_IS_GOOD),
            ),
        ),
        (
            "How they end",
            (
                Panel("Ends", ((rate("tidings_deliveries_total", "connector, outcome"), "{{connector}} {{outcome}}"),), "reqps", wide=12),
                Panel(
                    "From acceptance to delivery, p99",
                    (
                        (
                            "histogram_quantile(0.99, sum by (le, connector) (rate(tidings_delivery_seconds_bucket[$__rate_interval])))",
                            "{{connector}}",
                        ),
                    ),
                    "s",
                    wide=12,
                ),
                Panel(
                    "Attempts",
                    ((rate("tidings_delivery_attempts_total", "connector, outcome"), "{{connector}} {{outcome}}"),),
                    "reqps",
                    wide=12,
                ),
                Panel(
                    "Destinations that miss their target",
                    (("max by (connector) (tidings_service_levels_missed)", "{{connector}}"),),
                    wide=12,
                ),
            ),
        ),
        (
            "What waits",
            (
                Panel("Due and not with a worker", (("max by (connector) (tidings_deliveries_due)", "{{connector}}"),), stacked=True),
                Panel("Age of the oldest that waits", (("max by (connector) (tidings_deliveries_waiting_seconds)", "{{connector}}"),), "s"),
                Panel("Breakers", (("max by (connector, state) (tidings_breakers)", "{{connector}} {{state}}"),)),
            ),
        ),
        (
            "Planner, queue, workers",
            (
                Panel("Events that are not yet deliveries", (("max by (shard) (tidings_planner_lag_events)", "{{shard}}"),), wide=6),
                Panel("Jobs in Redis", (("max by (queue) (tidings_queue_jobs)", "{{queue}}"),), wide=6),
                Panel("Age of the first", (("max by (queue) (tidings_queue_oldest_seconds)", "{{queue}}"),), "s", wide=6),
                Panel("Attempts under way", (("sum by (instance) (tidings_deliveries_under_way)", "{{instance}}"),), wide=6, stacked=True),
            ),
        ),
    ),
)

PROCESSES = Dashboard(
    "processes.json",
    "Tidings: processes and servers",
    "What runs, on what it runs, and what it takes.",
    (
        (
            "What runs",
            (
                Panel("Versions", (("count by (process, version) (tidings_build_info)", "{{process}} {{version}}"),), wide=8),
                Panel("Unforeseen failures", ((rate("tidings_errors_total", "where"), "{{where}}"),), "reqps"),
                Panel("Started since", (('time() - process_start_time_seconds{job=~"tidings.*"}', "{{instance}}"),), "s"),
            ),
        ),
        (
            "What it takes",
            (
                Panel(
                    "Processor",
                    (('rate(process_cpu_seconds_total{job=~"tidings.*"}[$__rate_interval])', "{{instance}}"),),
                    "percentunit",
                    wide=6,
                ),
                Panel("Memory", (('process_resident_memory_bytes{job=~"tidings.*"}', "{{instance}}"),), "bytes", wide=6),
                Panel(
                    "Descriptors",
                    (('process_open_fds{job=~"tidings.*"} / process_max_fds{job=~"tidings.*"}', "{{instance}}"),),
                    "percentunit",
                    wide=6,
                ),
                Panel(
                    "How late the loop is, p99",
                    (
                        (
                            "histogram_quantile(0.99, sum by (le, instance) (rate(tidings_loop_lag_seconds_bucket[$__rate_interval])))",
                            "{{instance}}",
                        ),
                    ),
                    "s",
                    wide=6,
                ),
            ),
        ),
        (
            "PostgreSQL and disk",
            (
                Panel(
                    "Connections",
                    (("max(tidings_database_connections)", "open"), ("max(tidings_database_connections_most)", "max_connections")),
                    wide=6,
                ),
                Panel(
                    "Database",
                    (("max(tidings_database_bytes)", "size"), ("max(tidings_wal_retained_bytes)", "log kept by slots")),
                    "bytes",
                    wide=6,
                ),
                Panel("Replicas", (("max(tidings_replicas)", "readers of the log"),), wide=3),
                Panel("Slowest is behind by", (("max(tidings_replication_lag_bytes)", "bytes"),), "bytes", wide=3),
                Panel(
                    "Disk free",
                    (("min by (instance) (tidings_disk_free_bytes / tidings_disk_size_bytes)", "{{instance}}"),),
                    "percentunit",
                    wide=6,
                ),
            ),
        ),
    ),
)

BACKUPS = Dashboard(
    "backups.json",
    "Tidings: backups",
    "What would be lost, and how long it would take.",
    (
        (
            "Now",
            (
                stat("Newest backup", f"max({age('tidings_backup_made_timestamp_seconds', 'kind')})", "s", ((GREEN, None), (RED, 93600))),
                stat(
                    "Newest proven one",
                    f"max({age('tidings_backup_verified_timestamp_seconds', 'kind')})",
                    "s",
                    ((GREEN, None), (RED, 180000)),
                ),
                stat("Last check was good", "min(tidings_backup_verified)", steps=ONE_IS_GOOD),
                stat("Log not in the store", "max(tidings_backup_wal_lag_seconds)", "s", ((GREEN, None), (YELLOW, 5), (RED, 60))),
                stat("Lost in the last drill", "max(tidings_backup_drill_rpo_seconds)", "s"),
                stat("Down in the last drill", "max(tidings_backup_drill_rto_seconds)", "s"),
            ),
        ),
        (
            "In the course of time",
            (
                Panel("Age of the newest", ((age("tidings_backup_made_timestamp_seconds", "kind"), "{{kind}}"),), "s"),
                Panel("Size", (("max by (kind) (tidings_backup_bytes)", "{{kind}}"),), "bytes"),
                Panel("Took", (("max by (kind) (tidings_backup_seconds)", "{{kind}}"),), "s"),
                Panel("Under way", (("max by (kind) (tidings_backup_under_way)", "{{kind}}"),)),
                Panel("Failures", (("sum by (kind, step) (increase(tidings_backup_failures_total[1h]))", "{{kind}} {{step}}"),)),
                Panel("Last drills", ((age("tidings_backup_drill_timestamp_seconds", "drill"), "{{drill}}"),), "s"),
            ),
        ),
    ),
)

DASHBOARDS = (OVERVIEW, EVENTS, DELIVERIES, PROCESSES, BACKUPS)


def dashboard_json(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "uid": "tidings-" + dashboard.file.removesuffix(".json"),
        "title": dashboard.title,
        "description": dashboard.says,
        "tags": ["tidings"],
        "schemaVersion": 38,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "links": [
            {"type": "dashboards", "title": "Tidings", "tags": ["tidings"], "asDropdown": True, "includeVars": False, "keepTime": True}
        ],
        "annotations": {"list": [alerts_shown()]},
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}, "hide": 0}]
        },
        "panels": laid_out(dashboard.rows),
    }


def alerts_shown() -> dict[str, Any]:
    return {
        "name": "Alerts",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": RED,
        "expr": 'ALERTS{alertstate="firing", alertname=~"Tidings.*", severity=~"page|ticket"}',
    }


def laid_out(rows: tuple[tuple[str, tuple[Panel, ...]], ...]) -> list[dict[str, Any]]:
    """From left to right, and on to the next line where the width is used up."""
    placed: list[dict[str, Any]] = []
    y = 0
    for title, panels in rows:
        placed.append(
            {"id": len(placed) + 1, "type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": place(0, y, WIDTH, 1)}
        )
        x, y = 0, y + 1
        for panel in panels:
            if x + panel.wide > WIDTH:
                x, y = 0, y + HEIGHT[panel.kind]
            placed.append({"id": len(placed) + 1, "gridPos": place(x, y, panel.wide, HEIGHT[panel.kind]), **panel_json(panel)})
            x += panel.wide
        y += HEIGHT[panels[-1].kind]
    return placed


def place(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def panel_json(panel: Panel) -> dict[str, Any]:
    steps = [{"color": colour, "value": value} for colour, value in panel.steps or ((GREEN, None),)]
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        defaults["custom"] = drawn(panel)
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": ask,
                "legendFormat": legend or "__auto",
                "instant": panel.kind == "stat",
            }
            for index, (ask, legend) in enumerate(panel.asks)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options(panel.kind),
    }


def drawn(panel: Panel) -> dict[str, Any]:
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 20 if panel.stacked else 5,
        "showPoints": "never",
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "line" if panel.steps else "off"},
    }


def options(kind: Kind) -> dict[str, Any]:
    if kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "background", "graphMode": "none"}
    return {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "tooltip": {"mode": "multi", "sort": "desc"}}


def text_of(dashboard: Dashboard) -> str:
    return json.dumps(dashboard_json(dashboard), indent=2) + "\n"


def main() -> None:
    for dashboard in DASHBOARDS:
        (HERE / dashboard.file).write_text(text_of(dashboard))


if __name__ == "__main__":
    main()
