"""Every site may load the files, whatever origins may use the API."""

import aiohttp
import pytest
from running import Running

NAMES = ["inbox.js", "client.js", "manifest.json", "nothing.js"]


@pytest.mark.parametrize("origins", [None, "https://app.example", "*"], ids=["none", "one", "all"])
async def test_any_site_may_load_them_whatever_the_api_allows(tidings: Running, origins: str | None) -> None:
    api = tidings.api if origins is None else await tidings.another_api(TIDINGS_CORS_ORIGINS=origins)

    async with aiohttp.ClientSession(api.base_url) as session:
        for name in NAMES:
            for origin in ("https://app.example", "https://elsewhere.example", "null", None):
                # A cookie made Litestar name the origin, for a cache to keep.
                headers = {"Cookie": "a=b"} | ({"Origin": origin} if origin else {})
                async with session.get(f"/client/{name}", headers=headers) as answer:
                    assert open_to_all(answer), (name, origin, answer.headers)


def open_to_all(answer: aiohttp.ClientResponse) -> bool:
    """For caches too: one answer serves all."""
    return (
        answer.headers.getall("Access-Control-Allow-Origin") == ["*"]
        and answer.headers.getall("Vary") == ["Accept-Encoding"]
        and answer.headers.getall("Cross-Origin-Resource-Policy") == ["cross-origin"]
        and answer.headers.getall("X-Content-Type-Options") == ["nosniff"]
        and "Access-Control-Allow-Credentials" not in answer.headers
    )


async def test_the_api_itself_stays_with_the_origins_it_was_given(tidings: Running) -> None:
    api = await tidings.another_api(TIDINGS_CORS_ORIGINS="https://app.example")

    async with aiohttp.ClientSession(api.base_url) as session:
        async with session.get("/health/live", headers={"Origin": "https://app.example"}) as answer:
            assert answer.headers.getall("Access-Control-Allow-Origin") == ["https://app.example"]
        async with session.get("/health/live", headers={"Origin": "https://elsewhere.example"}) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(("role", "status"), [("api", 200), ("stream", 404)])
async def test_the_processes_of_the_api_serve_them(tidings: Running, role: str, status: int) -> None:
    api = await tidings.another_api(role=role)

    async with aiohttp.ClientSession(api.base_url) as session, session.get("/client/inbox.js") as answer:
        assert answer.status == status
