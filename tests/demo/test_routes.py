"""The demo's own routes: off unless asked for, closed to other sites, and for the two people of the demo only."""

import aiohttp
import pytest
from running import Api, Project, Running

JSON = dict[str, object]


async def ask(base_url: str, path: str, body: JSON | None = None, **headers: str) -> tuple[int, JSON]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession() as session:
        request = session.get(base_url + path, headers=named) if body is None else session.post(base_url + path, json=body, headers=named)
        async with request as answer:
            return answer.status, await answer.json(content_type=None) if answer.status != 204 else {}


@pytest.mark.parametrize(
    ("path", "body"), [("/demo", None), ("/demo/token", {"person": "ana"}), ("/demo/send", {"to": "ana", "title": "x"})]
)
async def test_switched_off_it_says_how_to_switch_it_on(system: Running, path: str, body: JSON | None) -> None:
    status, problem = await ask(system.base_url, path, body)

    assert status == 404
    assert "TIDINGS_DEMO_PROJECT" in str(problem["detail"])


async def test_the_page_brings_a_strict_policy_and_names_no_other_server(demo_api: Api) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{demo_api.base_url}/demo") as answer:
        page = await answer.text()
        policy = answer.headers["Content-Security-Policy"]

    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert "://" not in page
    assert "style=" not in page


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
    ],
)
async def test_other_sites_are_refused(demo_api: Api, headers: dict[str, str]) -> None:
    for path, body in (("token", {"person": "ana"}), ("send", {"to": "ana", "title": "x"}), ("retract", {"id": "x"})):
        status, _ = await ask(demo_api.base_url, f"/demo/{path}", body, **headers)
        assert status == 403, path


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("token", {"person": "mallory"}, "person"),
        ("send", {"to": "everyone", "title": "x"}, "to"),
        ("send", {"to": "ana", "title": ""}, "title"),
        ("send", {"to": "ana", "title": "x" * 201}, "title"),
        ("send", {"to": "ana", "title": "x", "body": "x" * 4001}, "body"),
        ("send", {"to": "ana", "title": "x", "nonce": "x" * 41}, "nonce"),
        ("send", {"to": "ana", "title": "x", "url": "https://example.com"}, "url"),
    ],
)
async def test_only_these_people_and_within_bounds(demo_api: Api, path: str, body: JSON, field: str) -> None:
    status, problem = await ask(demo_api.base_url, f"/demo/{path}", body)

    assert (status, problem["field"]) == (422, field)


async def test_it_retracts_only_what_it_sent(demo_api: Api, demo_project: Project) -> None:
    foreign = await demo_project.publish("Not the demo's", ["ana"])
    _, sent = await ask(demo_api.base_url, "/demo/send", {"to": "both", "title": "The demo's"})

    assert sent["recipients"] == 2
    assert (await ask(demo_api.base_url, "/demo/retract", {"id": foreign}))[0] == 404
    assert (await ask(demo_api.base_url, "/demo/retract", {"id": sent["id"]}))[0] == 204
    assert (await demo_project.call("GET", f"/v1/notifications/{sent['id']}"))["created_by"] == "system:demo"
