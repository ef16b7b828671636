import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from processes.supervised import Supervised


@pytest.fixture
async def run() -> AsyncIterator[Supervised]:
    """A `tidings run` that is yet to be started, on an empty state folder."""
    state = Path(tempfile.mkdtemp(prefix="tidings-run-"))
    state.chmod(0o711)
    run = Supervised(state)
    yield run
    if run.process is not None and run.process.returncode is None:
        run.signal(signal.SIGTERM)
        await run.ended()
    shutil.rmtree(state, ignore_errors=True)
