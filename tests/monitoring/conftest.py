from collections.abc import AsyncIterator

import pytest
from monitoring.shown import Shown, showing
from running import Running


@pytest.fixture(scope="package")
async def shown(system: Running) -> AsyncIterator[Shown]:
    """A running Tidings, with every kind of worker, each of which shows its figures."""
    async with showing(system) as shown:
        yield shown
