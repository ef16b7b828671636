"""Redis or Valkey: whether it is there, of the right age, may be written to, and keeps what it was given."""

from typing import Any

from tidings.cli.doctor.deployment.finding import Finding, unknown, well
from tidings.platform.redis import REDIS_AWAY, open_redis
from tidings.settings import Settings, redacted_url

OLDEST = {"redis": 7, "valkey": 8}
NEARLY_FULL = 0.9
LOST = "docs/runbooks/redis-lost.md"


async def check_redis(settings: Settings) -> list[Finding]:
    """Each once, if the streams have one of their own."""
    assert settings.redis_url is not None
    urls = {"Redis": settings.redis_url}
    if settings.stream_redis_url is not None and settings.stream_redis_url != settings.redis_url:
        urls["The streams' Redis"] = settings.stream_redis_url
    return [finding for name, url in urls.items() for finding in await check_one(name, url)]


async def check_one(name: str, url: str) -> list[Finding]:
    if "+cluster" in url:
        return [unknown("redis", f"{name} is a cluster, whose nodes have settings of their own: CONFIG GET maxmemory-policy on each")]
    redis = open_redis(url)
    try:
        info: dict[str, Any] = await redis.info()
        return judged(name, info)
    except REDIS_AWAY as error:
        return [
            Finding(
                "redis",
                "error",
                f"{name} cannot be reached",
                f"{redacted_url(url)}: {type(error).__name__}. Events come from PostgreSQL, deliveries wait. Nothing is lost.",
                ('redis-cli -u "$TIDINGS_REDIS_URL" PING', "start it again; it may be empty"),
                LOST,
            )
        ]
    finally:
        await redis.aclose()


def judged(name: str, info: dict[str, Any]) -> list[Finding]:
    found: list[Finding] = []
    kind = "valkey" if "valkey_version" in info else "redis"
    version = str(info.get(f"{kind}_version", "0"))
    if int(version.partition(".")[0]) < OLDEST[kind]:
        found.append(Finding("redis", "error", f"{name} is a {kind} {version}", f"Tidings needs {OLDEST[kind]} or later.", ("upgrade it",)))
    if info.get("role") not in ("master", None):
        found.append(
            Finding(
                "redis",
                "error",
                f"{name} is a replica",
                "It takes no writes: the live end of the log does not move.",
                ("point TIDINGS_REDIS_URL at the primary, or at Sentinel: redis+sentinel://HOST:26379/mymaster",),
                LOST,
            )
        )
    return (found + memory(name, info)) or [well("redis", f"{name} ({kind} {version}) takes writes and keeps them")]


def memory(name: str, info: dict[str, Any]) -> list[Finding]:
    limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    policy = info.get("maxmemory_policy", "noeviction")
    if limit and policy != "noeviction":
        return [
            Finding(
                "redis",
                "warning",
                f"{name} throws away what it likes when it is full ({policy})",
                "Jobs and counts of streams may vanish. Nothing is lost, but deliveries then wait for 10 s, and limits are wrong.",
                (
                    'redis-cli -u "$TIDINGS_REDIS_URL" CONFIG SET maxmemory-policy noeviction',
                    'redis-cli -u "$TIDINGS_REDIS_URL" CONFIG REWRITE',
                ),
                LOST,
            )
        ]
    if limit and used > NEARLY_FULL * limit:
        return [
            Finding(
                "redis",
                "error",
                f"{name} is nearly full",
                f"{used / limit:.0%} of {limit / 1e6:.0f} MB. Then it refuses writes: events come from PostgreSQL, deliveries wait.",
                (f'redis-cli -u "$TIDINGS_REDIS_URL" CONFIG SET maxmemory {2 * limit}',),
                LOST,
            )
        ]
    return []
