"""`tidings alive`, which the health check of a container asks."""

import aiohttp
from processes.test_command_line import tidings_command
from running import Running, until

from tidings.platform.embedded.memory import free_port


async def alive(**environment: str) -> tuple[int, str]:
    code, out, err = await tidings_command("alive", **environment)
    assert not err
    return code, out.strip()


async def test_a_container_is_alive_when_its_api_or_its_worker_answers(tidings: Running) -> None:
    nobody = str(free_port())
    assert await alive(TIDINGS_PORT=str(tidings.api.port), TIDINGS_HOST="0.0.0.0") == (0, "ok")
    assert await alive(TIDINGS_PORT=nobody) == (1, "nobody answers")

    port = free_port()
    await tidings.another_worker("sequencer", TIDINGS_METRICS_PORT=str(port))

    async def answers() -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/health") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    await until(answers, 60, "the worker answers")
    assert await alive(TIDINGS_PORT=nobody, TIDINGS_METRICS_PORT=str(port)) == (0, "ok")


async def test_a_process_that_hangs_is_not_alive(tidings: Running) -> None:
    tidings.api.stop()
    try:
        assert await alive(TIDINGS_PORT=str(tidings.api.port)) == (1, "nobody answers")
    finally:
        tidings.api.go_on()
