"""What a page gets from /client: the right bytes, kept as long as they may be, from any site."""

import base64
import gzip
import hashlib
import re
from pathlib import Path

import aiohttp
import pytest
from running import Running

Manifest = dict[str, dict[str, str]]
FOREVER = "public, max-age=31536000, immutable"
STABLE = ["client.js", "inbox.js"]


@pytest.mark.parametrize("name", STABLE)
async def test_the_manifest_names_files_and_their_integrity(client: aiohttp.ClientSession, manifest: Manifest, name: str) -> None:
    entry = manifest[name]

    async with client.get(f"/client/{entry['path']}") as answer:
        content = await answer.read()

    assert re.fullmatch(rf"{Path(name).stem}-[0-9a-f]{{12}}\.js", entry["path"])
    assert entry["integrity"] == "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()
    assert entry["bytes"] == len(content)
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("name", STABLE)
async def test_only_what_never_changes_is_kept_forever(client: aiohttp.ClientSession, manifest: Manifest, name: str) -> None:
    path = manifest[name]["path"]
    kept = {}
    for one in (path, f"{path}.map", name, "manifest.json"):
        async with client.get(f"/client/{one}") as answer:
            kept[one] = (answer.status, answer.headers["Cache-Control"])

    assert kept == {
        path: (200, FOREVER),
        f"{path}.map": (200, FOREVER),
        name: (200, "no-cache"),
        "manifest.json": (200, "no-cache"),
    }


@pytest.mark.parametrize("name", STABLE)
async def test_a_stable_name_gives_the_newest_content_and_leads_to_its_source_map(
    client: aiohttp.ClientSession, manifest: Manifest, name: str
) -> None:
    path = manifest[name]["path"]
    async with client.get(f"/client/{name}") as stable, client.get(f"/client/{path}") as hashed:
        content = await stable.text()
        assert content == await hashed.text()
    assert content.endswith(f"\n//# sourceMappingURL={path}.map\n")

    async with client.get(f"/client/{path}.map") as answer:
        source_map = await answer.json()
    assert all(source_map["sourcesContent"])
    # Nothing of the machine where it was built.
    assert all(source.startswith("packages/") for source in source_map["sources"])


async def test_each_coding_is_the_same_file_with_a_tag_of_its_own(client: aiohttp.ClientSession, manifest: Manifest) -> None:
    path, tags, sizes = f"/client/{manifest['inbox.js']['path']}", set(), {}
    async with client.get(path) as answer:
        plain = await answer.read()
    for accepted, encoding in (("gzip, deflate, br;q=0", "gzip"), ("gzip, deflate, br, zstd", "br"), ("zstd", None)):
        async with client.get(path, headers={"Accept-Encoding": accepted}) as answer:
            content = await answer.read()
            assert answer.headers.get("Content-Encoding") == encoding
            assert answer.headers.getall("Vary") == ["Accept-Encoding"]
            tags.add(answer.headers["ETag"])
            sizes[encoding] = len(content)
        if encoding == "gzip":
            assert gzip.decompress(content) == plain
        assert re.fullmatch(r'"[0-9a-f]{24}"', answer.headers["ETag"])

    assert len(tags) == 3
    assert sizes == {None: len(plain), "gzip": manifest["inbox.js"]["gzip"], "br": manifest["inbox.js"]["brotli"]}


@pytest.mark.parametrize("known", ["{}", "W/{}", '"other", {}', "*"])
async def test_what_a_browser_has_is_not_sent_again(client: aiohttp.ClientSession, known: str) -> None:
    for name in (*STABLE, "manifest.json"):
        async with client.get(f"/client/{name}", headers={"Accept-Encoding": "gzip"}) as answer:
            tag = answer.headers["ETag"]

        again = {"Accept-Encoding": "gzip", "If-None-Match": known.format(tag)}
        async with client.get(f"/client/{name}", headers=again) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
            assert answer.headers["ETag"] == tag
            assert answer.headers["Cache-Control"] == "no-cache"
            assert answer.headers["Vary"] == "Accept-Encoding"


async def test_another_tag_gets_the_file(client: aiohttp.ClientSession) -> None:
    async with client.get("/client/inbox.js", headers={"If-None-Match": '"other"'}) as answer:
        assert answer.status == 200
        assert await answer.read()


@pytest.mark.parametrize(
    "name",
    [
        *("nothing.js", "inbox-000000000000.js", "inbox.js.map", "inbox.js.br", ".js", "x/inbox.js"),
        *("..%2F..%2Fapp.py", "%2e%2e/files.py", "..%5Capp.py", "%00", "%ff"),
    ],
)
async def test_there_is_nothing_but_what_the_manifest_names(system: Running, name: str) -> None:
    url = f"{system.base_url}/client/{name}"
    async with aiohttp.ClientSession(requote_redirect_url=False) as session, session.get(aiohttp.client.URL(url, encoded=True)) as answer:
        assert answer.status == 404
        assert answer.content_type == "application/problem+json"


async def test_a_wrong_name_is_told_where_the_names_are(client: aiohttp.ClientSession) -> None:
    async with client.get("/client/nothing.js") as answer:
        assert "/client/manifest.json" in (await answer.json(content_type=None))["detail"]
        assert "immutable" not in answer.headers.get("Cache-Control", "")


async def test_it_is_only_read(client: aiohttp.ClientSession) -> None:
    for method in ("HEAD", "POST", "DELETE"):
        async with client.request(method, "/client/inbox.js") as answer:
            assert answer.status == 405, method


async def test_it_is_no_part_of_the_described_api(client: aiohttp.ClientSession) -> None:
    async with client.get("/openapi.json") as answer:
        assert not [path for path in (await answer.json())["paths"] if path.startswith("/client")]
