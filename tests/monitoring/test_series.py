"""/metrics of every process under load: as many series as there are kinds of things, however many projects and people there are."""

from monitoring.rules import dashboard_expressions, metrics_in, rule_expressions
from monitoring.shown import Shown, figures, use

# Of a process that shows all there is, with some connectors in use; and a shard's or a connector's share of it.
MOST_SERIES = 700


async def test_more_projects_and_people_make_no_more_series(shown: Shown) -> None:
    await use(shown, 2)
    before = {process: await shown.series(process) for process in shown.urls}
    await use(shown, 5)
    after = {process: await shown.series(process) for process in shown.urls}
    for process, series in after.items():
        assert series - before[process] == set(), process
        assert len(series) < MOST_SERIES, process
        for name, labels in series:
            for label, value in labels:
                assert label in LABELS, (name, label)
                assert not value.startswith(("prj_", "ep_", "http", "alice", "team", "None")), (name, label, value)


# Each with few values: of ours, of HTTP, of Python.
LABELS = {
    *("server", "status", "where", "shard", "reason", "connector", "outcome", "state", "version", "python", "process", "cache", "result"),
    *("replay", "mark", "queue", "window", "objective", "kind", "step", "drill", "le"),
    "owner",
    *("generation", "implementation", "major", "minor", "patchlevel"),
}


async def test_every_series_that_rules_and_dashboards_ask_for_is_shown(shown: Shown) -> None:
    known = await shown.names()
    for expression in rule_expressions() + dashboard_expressions():
        assert metrics_in(expression) <= known, expression


async def test_caches_marks_budgets_queues_and_servers_are_shown(shown: Shown) -> None:
    await use(shown, 1)
    api, planner = dict(await figures(shown, "api")), dict(await figures(shown, "planner"))
    assert api["tidings_server_up postgresql"] == api["tidings_server_up redis"] == 1
    assert api["tidings_cache_lookups_total api_keys hit"] > 0 and api["tidings_cache_entries api_keys"] > 0
    assert api["tidings_marks_total read"] > 0 and api["tidings_marks_total clicked"] > 0
    assert api["tidings_streams_opened_total none"] > 0
    assert api["tidings_backlog_limit_events"] == 200_000
    assert "tidings_backlog_oldest_seconds 0" in api
    assert planner["tidings_service_budget_left webhook success"] <= 1
    assert planner["tidings_queue_jobs deliveries"] >= 0 and planner["tidings_queue_oldest_seconds deliveries"] < 30
    assert (
        planner["tidings_database_bytes"] > 0 and 0 < planner["tidings_database_connections"] < planner["tidings_database_connections_most"]
    )
    # Of those who ask them; 0 would look as if they had never heard of a change.
    holders = {process for process in shown.urls if "tidings_flags_change deployment" in dict(await figures(shown, process))}
    assert holders == {"api", "deliveries"} and "tidings_flags_change" not in planner
    for process in shown.urls:
        seen = dict(await figures(shown, process))
        assert 0 < seen["tidings_disk_free_bytes"] < seen["tidings_disk_size_bytes"]
        assert f" {process} " in next(name for name in seen if name.startswith("tidings_build_info "))
