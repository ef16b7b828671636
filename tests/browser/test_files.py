"""What is read at the start: a whole set of files, or none."""

from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from tidings.browser import routes
from tidings.browser.files import FOLDER, MANIFEST, load_files
from tidings.platform.problems import HANDLERS


def test_without_a_build_there_is_nothing(tmp_path: Path) -> None:
    assert load_files(tmp_path) == {}


def test_half_a_build_is_none(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes((FOLDER / MANIFEST).read_bytes())
    assert load_files(tmp_path) == {}


async def test_who_asks_for_what_was_not_built_learns_how_to_build_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "FILES", {})

    async with AsyncTestClient(Litestar([routes.router], exception_handlers=HANDLERS, openapi_config=None)) as client:
        answer = await client.get("/client/inbox.js")

    assert answer.status_code == 404
    assert "`make browser`" in answer.json()["detail"]
