"""/health/ready says what the doctor judges draining and clocks by."""

from datetime import UTC, datetime

import aiohttp
from running import Api, Running, until


async def test_it_says_how_many_streams_there_are_and_how_the_process_would_stop(api: Api, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session, session.get(f"{api.base_url}/v1/stream", headers=headers) as stream:
        await stream.content.readline()
        _, health = await api.health()
        assert health["streams"] | {"processes": None} == {"open": 1, "processes": None, "drain_s": 10, "readiness_delay_s": 0}
    assert abs((datetime.fromisoformat(health["time"]) - datetime.now(UTC)).total_seconds()) < 5


async def test_it_counts_the_processes_of_the_api(api: Api, tidings: Running) -> None:
    async def processes() -> int:
        _, health = await api.health()
        return int(health["streams"]["processes"])

    before = await processes()
    another = await tidings.another_api()

    async def is_counted() -> bool:
        return await processes() == before + 1

    await until(is_counted, 10)
    await another.end()
    assert await processes() == before


async def test_without_redis_nobody_is_counted_and_health_is_answered(api: Api, tidings: Running) -> None:
    await tidings.valkey.kill()

    async def is_unknown() -> bool:
        code, health = await api.health()
        return code == 200 and health["streams"]["processes"] is None

    await until(is_unknown, 15)


async def test_what_the_doctor_needs_is_shown_to_pages_of_other_origins(api: Api) -> None:
    async with aiohttp.ClientSession(headers={"Origin": "https://app.example"}) as session:
        for path in ("/health/live", "/health/ready"):
            async with session.get(api.base_url + path) as answer:
                assert answer.headers["Timing-Allow-Origin"] == "*"
        assert {"Date", "Age", "Content-Encoding"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
