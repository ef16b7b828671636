"""`tidings` as a process, whose services with a constant address are led to the far ends of a test.

FAR_ENDS: a JSON object of URLs by connector. How each is led there, the examples of the connectors say.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, cast

import pytest

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
from connectors.examples import EXAMPLES, Ground  # noqa: E402

import tidings.deliveries.connectors.registry  # noqa: E402, F401, which the examples look for
from tidings.cli import main  # noqa: E402

NOT_OURS = cast(Any, None)


def lead(far_ends: dict[str, str]) -> None:
    patch = pytest.MonkeyPatch()
    for name, url in far_ends.items():
        asyncio.run(EXAMPLES[name](Ground(url, patch, NOT_OURS, NOT_OURS, NOT_OURS)))  # type: ignore[arg-type]


if __name__ == "__main__":
    lead(json.loads(os.environ["FAR_ENDS"]))
    main()
