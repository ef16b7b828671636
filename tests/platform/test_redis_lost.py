"""What redis-py raises when Redis goes at an awkward moment is all among what callers are ready for."""

import pytest
from running import Servers, until

from tidings.platform.redis import REDIS_AWAY, open_redis


async def test_a_command_on_a_connection_that_was_lost_meanwhile_raises_what_callers_expect(servers: Servers) -> None:
    redis = open_redis(servers.redis_url)
    connection = redis.connection_pool.make_connection()
    await connection.connect()
    transport = connection._writer.transport
    transport.abort()

    async def is_closed() -> bool:
        return "closed=True" in repr(transport)

    await until(is_closed, 5)
    with pytest.raises(REDIS_AWAY):
        await connection.send_command("PING")
    await redis.aclose()
