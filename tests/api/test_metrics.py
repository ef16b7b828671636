"""/metrics shows what this process does, and /health what it depends on."""

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from running import Project, Running


async def figures(project: Project) -> dict[str, float]:
    async with aiohttp.ClientSession() as session, session.get(f"{project.base_url}/metrics") as answer:
        text = await answer.text()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value for sample in samples}


async def test_publishing_and_errors_are_counted(project: Project) -> None:
    before = await figures(project)
    await project.publish("counted", ["alice", "bob"])
    await project.call("POST", "/v1/notifications", {"to": ["alice"]}, expect=422)
    after = await figures(project)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert grown("tidings_notifications_accepted_total") == 1
    assert grown("tidings_inbox_rows_total") == 2
    assert grown("tidings_publish_seconds_count") == 1
    assert grown("tidings_requests_total 422") == 1
    assert grown("tidings_requests_total 202") == 1
    assert "tidings_streams" in after
    assert any(name.startswith("tidings_backlog_events") for name in after)


async def test_health_names_each_thing_it_depends_on(tidings: Running) -> None:
    status, health = await tidings.api.health()
    assert (status, health["status"]) == (200, "ok")
    assert set(health["checks"]) == {"postgresql", "redis", "sequencer"}
