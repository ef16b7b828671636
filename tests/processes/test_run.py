"""`tidings run`, as people meet it."""

import signal
import socket
import stat
from functools import partial

import aiohttp
import psutil
from processes.supervised import Supervised
from running import until

from tidings.platform.embedded.memory import free_port, is_free


async def test_run_serves_names_its_places_and_leaves_no_process(run: Supervised) -> None:
    figures_at = next(port for port in iter(free_port, None) if all(is_free(port + offset) for offset in range(5)))
    await run.start(TIDINGS_METRICS_PORT=str(figures_at))
    base_url = await run.ready()

    assert base_url == f"http://127.0.0.1:{run.port}"
    demo = run.demo()
    assert stat.S_IMODE((run.state / "demo.json").stat().st_mode) == 0o600
    assert demo["base_url"] == base_url
    assert set(demo) >= {"base_url", "api_key", "project", "subscriber"}
    for text in (f"{base_url}/demo", f"{base_url}/docs", str(run.state), f"curl {base_url}/v1/notifications", demo["api_key"]):
        assert text in run.said
    status, answer = await publish(demo, "Hello")
    assert status == 202, answer
    assert {"api", "sequencer", "projections"} <= {line.split(" ")[0] for line in run.said.splitlines()}

    for offset, name in enumerate(("sequencer", "projections", "planner", "deliveries")):
        await until(partial(shows, figures_at + offset, f'process="{name}"'), 20, f"{name} shows its figures on a port of its own")

    assert await run.end() == 0
    assert run.leftovers() == []
    assert "Traceback" not in run.said


async def test_a_second_start_has_what_the_first_one_kept(run: Supervised) -> None:
    await run.start()
    await run.ready()
    demo = run.demo()
    status, first = await publish(demo, "Kept")
    assert status == 202
    await run.end()
    await run.start()
    await run.ready()
    assert run.demo() == demo
    async with (
        aiohttp.ClientSession(headers=bearer(demo)) as session,
        session.get(f"{demo['base_url']}/v1/notifications/{first['id']}") as answer,
    ):
        assert answer.status == 200


async def test_whatever_dies_is_started_again(run: Supervised) -> None:
    await run.start()
    await run.ready()
    for words in (("api",), ("sequencer",), ("projections",)):
        before = run.child("tidings.cli", *words)
        before.kill()
        await until(lambda words=words, old=before.pid: has_another(run, ("tidings.cli", *words), old), 15, f"another {words}")
    postgres = next(process for process in run.descendants() if process.name() == "postgres")
    postgres.kill()
    valkey = next(process for process in run.descendants() if process.name().startswith("valkey"))
    valkey.kill()

    async def is_accepted() -> bool:
        status, _ = await publish(run.demo(), "After all that")
        return status == 202

    await until(is_accepted, 20, "publishing works again")
    assert "api ended (killed by SIGKILL); starting it again in 0.5 s." in run.said
    assert await run.end() == 0
    assert run.leftovers() == []


async def test_children_and_servers_end_when_the_supervisor_is_killed(run: Supervised) -> None:
    await run.start()
    await run.ready()
    run.signal(signal.SIGKILL)
    await run.ended()

    async def is_empty() -> bool:
        return not run.leftovers()

    await until(is_empty, 30, f"nothing left of {run.seen}")

    await run.start()
    await run.ready()
    status, answer = await publish(run.demo(), "Back")
    assert status == 202, answer


async def test_ctrl_c_ends_it_cleanly(run: Supervised) -> None:
    await run.start()
    await run.ready()
    run.signal(signal.SIGINT)
    assert await run.ended() == 0
    assert run.leftovers() == []


async def test_taken_port_stops_the_start_and_names_the_setting(run: Supervised) -> None:
    with socket.create_server(("127.0.0.1", run.port)):
        await run.start()
        assert await run.ended() == 3
    assert f"TIDINGS_PORT={run.port}" in run.said
    assert "Traceback" not in run.said


async def test_second_run_on_the_same_state_is_refused(run: Supervised) -> None:
    await run.start()
    await run.ready()
    other = Supervised(run.state)
    await other.start()
    assert await other.ended() == 3
    assert (
        f"TIDINGS_STATE_DIR={run.state} is in use by another `tidings run` (process {run.process.pid if run.process else 0})" in other.said
    )


async def test_wrong_setting_stops_the_start_with_its_name_value_and_what_is_allowed(run: Supervised) -> None:
    await run.start(TIDINGS_SHARDS="many")
    assert await run.ended() == 3
    assert "TIDINGS_SHARDS=many is not allowed: it must be a whole number between 1 and 64." in run.said

    await run.start(TIDINGS_DATABASE_URL="mysql://me:hidden@db/x")
    assert await run.ended() == 3
    assert "TIDINGS_DATABASE_URL=mysql://***@db/x is not allowed" in run.said
    assert "hidden" not in run.said


async def shows(port: int, text: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            return text in await answer.text()
    except aiohttp.ClientError:
        return False


async def publish(demo: dict[str, str], title: str) -> tuple[int, dict[str, str]]:
    """(0, {}) when nobody answers."""
    body = {"to": [demo["subscriber"]], "title": title}
    try:
        async with (
            aiohttp.ClientSession(headers=bearer(demo), timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.post(f"{demo['base_url']}/v1/notifications", json=body) as answer,
        ):
            return answer.status, await answer.json()
    except (TimeoutError, aiohttp.ClientError):
        return 0, {}


def bearer(demo: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {demo['api_key']}"}


async def has_another(run: Supervised, words: tuple[str, ...], old: int) -> bool:
    found = [process for process in run.descendants() if process.pid != old and set(words) <= words_of(process)]
    return bool(found)


def words_of(process: psutil.Process) -> set[str]:
    try:
        return set(process.cmdline())
    except psutil.Error:
        return set()
