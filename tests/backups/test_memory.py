"""However large a database is, its backup passes through bounded memory. BACKUP_MEGABYTES=4096 for a long look."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

PROGRAM = Path(__file__).parent / "piping.py"
MEGABYTE = 1024 * 1024
# 190 for 256 MB, 201 for 1 GB. Half of what is piped cannot be compressed: whoever kept it would have 256 more.
BOUND = 300 * MEGABYTE


async def test_a_backup_passes_through_bounded_memory(tmp_path: Path) -> None:
    megabytes = int(os.environ.get("BACKUP_MEGABYTES", "512"))
    process = await asyncio.create_subprocess_exec(sys.executable, str(PROGRAM), str(tmp_path), str(megabytes), stdout=PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert int(out) < BOUND
