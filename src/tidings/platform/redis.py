"""Connections to Redis or Valkey, plain or through Sentinel. Redis is an accelerator: every caller lives without it."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

# What a caller must be ready for when Redis is away or answers nonsense. A cluster out of reach is, to redis-py, no RedisError.
# RuntimeError is what uvloop raises for a write to a connection that was lost, and redis-py passes on: it ended a sequencer when Redis was
# killed while it connected.
REDIS_AWAY = (RedisError, RedisClusterException, OSError, TimeoutError, RuntimeError)

# Published after each commit, with the shard's number, to wake its sequencer.
WAKE_CHANNEL = "tidings:wake"


def open_redis(url: str, **options: Any) -> Any:
    """A client; connects when first used.

    url: redis://, rediss://, unix://, redis+cluster://HOST:PORT, or redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/SERVICE[/DB].
    """
    merged: dict[str, Any] = {
        "socket_connect_timeout": 2,
        "socket_timeout": 5,
        "health_check_interval": 15,
        "retry": Retry(NoBackoff(), 0),
    } | options
    scheme = urlsplit(url).scheme
    if scheme.endswith("+sentinel"):
        return open_sentinel(url, merged)
    if scheme.endswith("+cluster"):
        cluster_options = {key: value for key, value in merged.items() if key not in ("retry", "single_connection_client")}
        return RedisCluster.from_url(url.replace("+cluster", "", 1), **cluster_options)
    return Redis.from_url(url, **merged)


def open_sentinel(url: str, options: dict[str, Any]) -> Any:
    parts = urlsplit(url)
    credentials, _, places = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    service, _, database = parts.path.strip("/").partition("/")
    login: dict[str, Any] = {"username": unquote(user) or None, "password": unquote(password) or None}
    sentinel_login = {key.removeprefix("sentinel_"): value for key, value in parse_qsl(parts.query) if key.startswith("sentinel_")}
    tls: dict[str, Any] = {"ssl": True} if parts.scheme.startswith("rediss") else {}
    make: Any = Sentinel  # redis-py leaves it without types
    sentinel = make([place_of(place) for place in places.split(",")], sentinel_kwargs=sentinel_login | tls | {"socket_timeout": 2})
    return sentinel.master_for(service or "mymaster", db=int(database or 0), **login, **tls, **options)


def place_of(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return (host, int(port)) if host else (text, 26379)
