"""The tutorial as the steps of its reader, in order. Where each happens is marked in the page, in bold at the beginning of a line:

**Terminal 2**                     the `sh` blocks that follow are typed there, the `text` blocks that follow are seen there
**Terminals 2, 3**: press Ctrl-C   that
**`shop/shop.py`**                 the block that follows is this file
**Browser**: Press "Order". …      what is done and seen in the page, to the end of the paragraph, a sentence each
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MARKED = re.compile(
    r"""
      ^\*\*Terminals?\ (?P<terminals>[\d, ]+)\*\*(?P<ctrl_c>:\ press\ Ctrl-C\b)?
    | ^\*\*`(?P<file>[^`\n]+)`\*\*$
    | ^\*\*Browser\*\*:\ (?P<browser>.+?)(?=\n\n|\Z)
    | ^```(?P<language>\w*)\n(?P<block>.*?)^```$
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
SENTENCE_END = re.compile(r"(?<=\.)\s+(?=[A-Z])")


@dataclass(frozen=True)
class Write:
    file: str
    text: str


@dataclass(frozen=True)
class Type:
    terminal: str
    text: str


@dataclass(frozen=True)
class See:
    terminal: str
    text: str


@dataclass(frozen=True)
class PressCtrlC:
    terminal: str


@dataclass(frozen=True)
class InBrowser:
    sentence: str


Step = Write | Type | See | PressCtrlC | InBrowser


def steps_of(page: str) -> Iterator[Step]:
    """Raises ValueError for a block that nobody would run."""
    terminal = file = None
    for found in MARKED.finditer(page):
        if found["block"] is not None:
            yield step_of(found["language"], found["block"], terminal, file)
        elif found["browser"]:
            yield from map(InBrowser, SENTENCE_END.split(" ".join(found["browser"].split())))
        elif found["ctrl_c"]:
            yield from map(PressCtrlC, found["terminals"].split(", "))
        else:
            terminal, file = found["terminals"], found["file"]


def step_of(language: str, block: str, terminal: str | None, file: str | None) -> Step:
    if language in ("python", "html") and file:
        return Write(file, block)
    if language == "sh" and terminal:
        return Type(terminal, block)
    if language == "text" and terminal:
        return See(terminal, block)
    raise ValueError(f"Nobody knows where this is to happen (terminal {terminal}, file {file}):\n{block}")
