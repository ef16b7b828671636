"""A folder and a bucket are the same to whoever keeps backups in them."""

from pathlib import Path

import pytest

from backups.ground import Bucket
from tidings.backups.errors import Missing, StoreFailed
from tidings.backups.store import open_store
from tidings.errors import Misconfigured
from tidings.platform.embedded.memory import free_port
from tidings.settings import load_settings


async def test_what_was_put_is_there_until_it_is_deleted(backup_url: str, tmp_path: Path) -> None:
    store, part = open_store(backup_url), tmp_path / "part"
    part.write_bytes(b"from a file")
    await store.put("backups/one/manifest.json", b"{}")
    await store.put("backups/one/dump/000001", part)
    await store.put("backups/two/dump/000001", b"first")
    await store.put("backups/two/dump/000001", b"second")

    assert await store.get("backups/one/dump/000001") == b"from a file"
    assert await store.get("backups/two/dump/000001") == b"second"
    assert await store.folders("backups") == ["one", "two"]
    assert {(one.path, one.size) async for one in store.below("backups/one")} == {
        ("backups/one/manifest.json", 2),
        ("backups/one/dump/000001", 11),
    }
    assert await store.has("backups/one/manifest.json") and not await store.has("backups/two/manifest.json")

    await store.delete(["backups/one/manifest.json", "backups/one/dump/000001", "backups/never/there"])
    assert await store.folders("backups") == ["two"]
    with pytest.raises(Missing, match=r"backups/one/manifest\.json"):
        await store.get("backups/one/manifest.json")


async def test_a_store_without_anything_in_it_is_empty(backup_url: str) -> None:
    store = open_store(backup_url)
    assert await store.folders("backups") == [] and [one async for one in store.below("backups")] == []


async def test_a_store_that_does_not_answer_says_so_without_credentials(bucket: Bucket) -> None:
    store = open_store(f"s3://{bucket.name}/x?endpoint=http://127.0.0.1:{free_port()}&region=us-east-1")
    with pytest.raises(StoreFailed, match="backups/x") as told:
        await store.get("backups/x")
    assert "a-secret-of-aws" not in str(told.value)


def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="TIDINGS_BACKUP_URL"):
        open_store(f"file://{tmp_path}/file/store")


@pytest.mark.parametrize(
    "url",
    ["s3://key:secret@bucket/x", "s3://bucket/x?secret_access_key=hidden", "file://relative/x", "gs://bucket/x", "file:///", "/plain"],
)
def test_a_url_that_is_none_or_holds_credentials_is_refused_without_showing_them(url: str) -> None:
    with pytest.raises(Misconfigured, match="TIDINGS_BACKUP_URL") as told:
        load_settings({"TIDINGS_BACKUP_URL": url})
    assert "hidden" not in str(told.value) and "key:secret" not in str(told.value)
