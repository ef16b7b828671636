"""docs/settings.md names every setting, with the default that it has."""

import re
from pathlib import Path

import msgspec

from tidings.settings import READERS, Settings, load_settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
ROW = re.compile(r"^\| `TIDINGS_(\w+)` \|\s*(.*?)\s*\| .+ \|$", re.MULTILINE)


def test_every_setting_is_explained_with_its_default() -> None:
    rows = {name.lower(): default for name, default in ROW.findall(PAGE.read_text())}
    assert set(rows) == set(READERS)
    defaults = msgspec.structs.asdict(Settings())
    for field, said in rows.items():
        literal = re.fullmatch(r"`([^`]+)`", said)
        if literal is None or literal[1].startswith("TIDINGS_"):
            assert not defaults[field], f"{field} has a default, which the page does not say"
        else:
            loaded = load_settings({f"TIDINGS_{field.upper()}": literal[1]})
            assert getattr(loaded, field) == defaults[field]
