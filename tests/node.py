"""Where Node is: that of this machine, or what came as a wheel into the environment of these tests."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]


@cache
def node_program() -> str:
    """As .ci/node finds it: one that is too old is not taken."""
    asked = (str(ROOT / ".ci" / "node"), os.path.relpath(sys.prefix, ROOT))
    folder = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True, timeout=120).stdout.strip()
    return str(Path(folder) / "node")
