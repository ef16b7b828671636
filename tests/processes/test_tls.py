"""`tidings api` speaks TLS when it is given a certificate, and does not start with a wrong one."""

import ssl
from pathlib import Path

import aiohttp
from certificate import make_certificate
from running import Running, until


async def test_an_api_process_with_a_certificate_speaks_tls_only(tidings: Running, tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    api = tidings.new_api("tls", {"TIDINGS_TLS_CERTIFICATE": str(made.certificate), "TIDINGS_TLS_KEY": str(made.key)})
    tidings.extra.append(api)
    await api.start()
    trusting = ssl.create_default_context(cafile=str(made.certificate))

    async with aiohttp.ClientSession(f"https://localhost:{api.port}", connector=aiohttp.TCPConnector(ssl=trusting)) as session:

        async def is_ready() -> bool:
            try:
                async with session.get("/health/ready") as answer:
                    return answer.status == 200
            except aiohttp.ClientConnectionError:
                return False

        await until(is_ready, 20, "ready over TLS")
    assert await api.health() == (0, {})


async def test_a_key_of_another_certificate_stops_the_start_and_is_named(tidings: Running, tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")
    api = tidings.new_api("tls-wrong", {"TIDINGS_TLS_CERTIFICATE": str(made.certificate), "TIDINGS_TLS_KEY": str(other.key)})
    await api.start()

    assert await api.ended() != 0
    assert f"TIDINGS_TLS_KEY={other.key}" in tidings.log_of(api)
