from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

import pytest
from own_database import own_database
from running import Servers, running

from monitoring.shown import Shown, showing
from tidings.settings import Settings

# Of Redis: other tests' workers must not take what is queued here.
OWN_REDIS = "/7"


@pytest.fixture(scope="package")
async def shown(servers: Servers) -> AsyncIterator[Shown]:
    """A running Tidings of its own, with every kind of worker, that show their figures: what other tests left due would be overdue."""
    own = replace(servers, redis_url=urlunsplit(urlsplit(servers.redis_url)._replace(path=OWN_REDIS)))
    async with own_database(own, Settings().shards) as (url, _), running(own, url) as system, showing(system) as shown:
        yield shown
