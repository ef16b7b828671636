"""The project of `tidings run`: scripts and commands that name no project work in it."""

from urllib.parse import urlsplit, urlunsplit

import msgspec
from in_process import Api
from running import Servers

from tidings.cli.demo import make_demo
from tidings.settings import Settings


async def test_when_its_key_has_ended_it_gets_another_and_stays_the_project(api: Api, servers: Servers) -> None:
    """After another secret every key has ended; in a new project `tidings keys list` would show none of those there are."""
    settings = await reaching(api, servers)
    first = await make_demo(settings, "http://one")
    again = await make_demo(settings, "http://two")
    assert again == msgspec.structs.replace(first, base_url="http://two")

    await api.ok("DELETE", f"/v1/keys/{await only_key(api, first.api_key)}", key=first.api_key)
    after = await make_demo(settings, "http://two")
    assert (after.project, after.api_key == first.api_key) == (first.project, False)
    assert await only_key(api, after.api_key)


async def reaching(api: Api, servers: Servers) -> Settings:
    """With the URL of the package's own database."""
    name = await api.database.system.fetchval("SELECT current_database()")
    return msgspec.structs.replace(api.settings, database_url=urlunsplit(urlsplit(servers.database_url)._replace(path=f"/{name}")))


async def only_key(api: Api, secret: str) -> str:
    """The id of the project's key that has not ended, asked for with its secret."""
    found = await api.ok("GET", "/v1/keys", key=secret)
    (key,) = (one["key"] for one in found["items"] if one["revoked_at"] is None)
    return str(key)
