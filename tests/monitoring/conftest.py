from collections.abc import AsyncIterator

import pytest
from running import Running

from monitoring.shown import Shown, showing


@pytest.fixture(scope="package")
async def shown(system: Running) -> AsyncIterator[Shown]:
    """A running Tidings, with every kind of worker, each of which shows its figures."""
    async with showing(system) as shown:
        yield shown
