"""All settings, read once from the environment. A wrong one stops the start with its name, its value and what is allowed."""

import base64
import os
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import msgspec

from tidings.errors import Misconfigured
from tidings.injected import is_of_kubernetes

if TYPE_CHECKING:
    Network: TypeAlias = IPv4Network | IPv6Network
else:
    # To msgspec, which Litestar asks about what handlers are given, a union of two classes that it does not know is an error.
    Network = object


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """database_url, redis_url: None means the embedded servers, which `tidings run` starts and passes on to its children.

    metrics_port: of a worker's /metrics and /health; 0 for none.

    backup_url: None means no backups.   backup_schedule: what is done, how often, and how long after midnight UTC it begins to count.
    backup_programs: the folder of pg_dump and the like; None means those of the embedded server, or of the PATH.
    backup_database_url: of a login that may stream the WAL; None means database_url's.

    operators: the project whose keys may see and start what concerns the whole deployment.

    *_s: seconds.   *_bytes: bytes.
    """

    database_url: str | None = None
    redis_url: str | None = None
    stream_redis_url: str | None = None
    state_dir: Path = Path(".state")
    host: str = "127.0.0.1"
    port: int = 8000
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    public_url: str | None = None
    secret_key: str | None = None
    encryption_keys: tuple[bytes, ...] = ()
    encryption_keys_file: Path | None = None
    log_format: str = "text"
    log_level: str = "INFO"
    environment: str = "production"
    sentry_dsn: str | None = None
    otlp_url: str | None = None
    traces_sample: float = 0.01
    shards: int = 4
    database_pool: int = 16
    demo_project: str | None = None
    cors_origins: tuple[str, ...] = ("*",)
    streams_per_subscriber: int = 10
    streams_per_project: int = 100_000
    backlog_limit: int = 200_000
    hot_window_events: int = 10_000
    hot_window_bytes: int = 64 * 1024 * 1024
    replay_limit: int = 10_000
    connection_buffer_bytes: int = 1024 * 1024
    io_uring: str = "auto"
    drain_s: float = 10.0
    readiness_delay_s: float = 0.0
    retention_days: int = 30
    lease_s: float = 2.0
    metrics_port: int = 0
    backup_url: str | None = None
    backup_keys: tuple[bytes, ...] = ()
    backup_schedule: tuple[tuple[str, timedelta, timedelta], ...] = (
        ("logical", timedelta(days=1), timedelta(hours=2)),
        ("verify", timedelta(days=1), timedelta(hours=4)),
    )
    backup_retention: tuple[tuple[str, int], ...] = (("hourly", 24), ("daily", 7), ("weekly", 4), ("monthly", 12))
    backup_programs: Path | None = None
    backup_database_url: str | None = None
    operators: str | None = None
    outbound_allow: tuple[Network, ...] = ()
    outbound_deny: tuple[Network, ...] = ()

    @property
    def base_url(self) -> str:
        """Where people reach the API, without a slash at the end."""
        return (self.public_url or f"{self.scheme}://{self.host}:{self.port}").rstrip("/")

    @property
    def scheme(self) -> str:
        """Of what an API process serves itself; a proxy in front may speak TLS for it."""
        return "https" if self.tls_certificate else "http"


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from `TIDINGS_*` variables, or from the file that `TIDINGS_*_FILE` names, as orchestrators hand out secrets.

    Raises Misconfigured for a value out of bounds, and for a variable that no setting has (a typing error, mostly).
    """
    values: dict[str, Any] = {}
    for name, value in environ.items():
        if name.startswith("TIDINGS_") and value != "" and not is_of_kubernetes(name, value):
            field = name.removeprefix("TIDINGS_").lower()
            kept = field.removesuffix("_file")
            if field in READERS:
                values[field] = read(field, value)
            elif kept in READERS:
                if environ.get(variable(kept)):
                    raise Misconfigured(f"{variable(kept)} and {name} say the same: set one of them.")
                values[kept] = read_from_file(name, kept, value)
            else:
                raise Misconfigured(f"{name} is no setting of Tidings. Settings are: {', '.join(sorted(map(variable, READERS)))}.")
    if ("tls_certificate" in values) != ("tls_key" in values):
        raise Misconfigured("TIDINGS_TLS_CERTIFICATE and TIDINGS_TLS_KEY belong together: set both, or none to serve without TLS.")
    if "encryption_keys" in values and "encryption_keys_file" in values:
        raise Misconfigured("TIDINGS_ENCRYPTION_KEYS and TIDINGS_ENCRYPTION_KEYS_FILE say the same: set one of them.")
    return Settings(**values)


def read(field: str, value: str) -> Any:
    reader, allowed = READERS[field]
    try:
        return reader(value)
    except ValueError as error:
        raise Misconfigured(f"{variable(field)}={redacted(field, value)} is not allowed: it must be {allowed}.") from error


def read_from_file(name: str, field: str, path: str) -> Any:
    """Neither the content nor, should a secret have been put in its place, the path is told."""
    reader, allowed = READERS[field]
    try:
        return reader(Path(path).read_text().strip())
    except OSError as error:
        raise Misconfigured(f"{name} names no file that this process may read: {error.strerror}.") from error
    except ValueError as error:
        raise Misconfigured(f"{name} names a file that holds what is not allowed: it must be {allowed}.") from error


def variable(field: str) -> str:
    return "TIDINGS_" + field.upper()


def redacted(field: str, value: str) -> str:
    """The value as it may be shown: secrets hidden, passwords taken out of URLs."""
    # Also the file: a key that was put there by mistake would stand in the log.
    if field in ("secret_key", "encryption_keys", "encryption_keys_file", "backup_keys"):
        return "***"
    if field.endswith(("_url", "_dsn")):
        return redacted_url(value)
    return value


def redacted_url(url: str) -> str:
    """Scheme, host and path. A password may stand before the host, in the query, or anywhere when it is no URL at all."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "***"
    if not parts.scheme or not parts.netloc:
        return "***"
    credentials, separator, place = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{'***' if credentials else ''}{separator}{place}{parts.path}{'?***' if parts.query else ''}"


def one_of(*allowed: str) -> Callable[[str], str]:
    def reader(value: str) -> str:
        if value not in allowed:
            raise ValueError(value)
        return value

    return reader


def whole(low: int, high: int) -> Callable[[str], int]:
    def reader(value: str) -> int:
        number = int(value)
        if not low <= number <= high:
            raise ValueError(value)
        return number

    return reader


def seconds(low: float, high: float) -> Callable[[str], float]:
    def reader(value: str) -> float:
        number = float(value)
        if not low <= number <= high:
            raise ValueError(value)
        return number

    return reader


def url_with(*schemes: str) -> Callable[[str], str]:
    def reader(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes or not parts.netloc:
            raise ValueError(value)
        if "," not in parts.netloc:
            _ = parts.port  # raises ValueError for what is no port
        return value

    return reader


def sentry_dsn(value: str) -> str:
    """What Sentry calls so: a URL with a key, and with the number of a project at its end."""
    parts = urlsplit(url_with("http", "https")(value))
    if not parts.username or not parts.path.rpartition("/")[2].isdigit():
        raise ValueError(value)
    return value


def share(value: str) -> float:
    number = float(value)
    if not 0 <= number <= 1:
        raise ValueError(value)
    return number


def word(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", value):
        raise ValueError(value)
    return value


def long_secret(value: str) -> str:
    if len(value) < 32:
        raise ValueError("too short")
    return value


def encryption_keys(value: str) -> tuple[bytes, ...]:
    """Keys as base64, separated by commas or white space. Raises ValueError, which tells nothing of them."""
    keys = tuple(base64.b64decode(part, validate=True) for part in value.replace(",", " ").split())
    if not keys or any(len(key) != 32 for key in keys):
        raise ValueError("not 32 bytes each")
    return keys


def readable_file(value: str) -> Path:
    path = Path(value)
    if not path.is_file() or not os.access(path, os.R_OK):
        raise ValueError(value)
    return path


def folder_there(value: str) -> Path:
    path = Path(value)
    if not path.is_dir():
        raise ValueError(value)
    return path


def store_url(value: str) -> str:
    """A store's own credentials come from the environment: in a URL they would end up in logs."""
    parts = urlsplit(value)
    is_folder = parts.scheme == "file" and not parts.netloc and len(parts.path) > 1
    is_bucket = parts.scheme == "s3" and bool(parts.netloc) and "@" not in parts.netloc
    unknown = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} - ({"endpoint", "region"} if is_bucket else set())
    if not (is_folder or is_bucket) or unknown:
        raise ValueError(value)
    return value


def schedule(value: str) -> tuple[tuple[str, timedelta, timedelta], ...]:
    """As in `logical=6h verify=1d@04:00`."""
    entries = []
    for entry in value.replace(",", " ").split():
        found = SCHEDULED.fullmatch(entry)
        if found is None:
            raise ValueError(entry)
        every = int(found["count"]) * UNITS[found["unit"]]
        entries.append((found["task"], every, timedelta(hours=int(found["hour"] or 0), minutes=int(found["minute"] or 0))))
    if len({task for task, _, _ in entries}) != len(entries):
        raise ValueError("twice")
    return tuple(entries)


def generations(value: str) -> tuple[tuple[str, int], ...]:
    """As in `hourly=24 daily=7 weekly=4 monthly=12`."""
    entries = [entry.partition("=") for entry in value.replace(",", " ").split()]
    if not entries or any(name not in ("hourly", "daily", "weekly", "monthly") for name, _, _ in entries):
        raise ValueError(value)
    return tuple((name, whole(0, 1000)(count)) for name, _, count in entries)


def origins(value: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    if not all(origin == "*" or urlsplit(origin).scheme in ("http", "https") for origin in found):
        raise ValueError(value)
    return found


def networks(value: str) -> tuple[Network, ...]:
    return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())


REDIS = url_with("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
A_REDIS = "redis://, rediss://, or redis+sentinel://HOST:PORT,HOST:PORT/SERVICE[/DB]"
KEYS = "32 random bytes as base64 (`openssl rand -base64 32`), or several such keys, the newest first"
NETWORKS = "networks separated by commas, as in 10.20.0.0/16,fd12:3456::/32,192.168.1.7, without bits beyond the prefix"

SCHEDULED = re.compile(
    r"(?P<task>logical|physical|verify|drill)=(?P<count>[1-9][0-9]{0,3})(?P<unit>[mhd])(@(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]))?"
)
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
A_STORE = "file:///FOLDER or s3://BUCKET/PREFIX?endpoint=URL&region=NAME, without credentials: AWS_ACCESS_KEY_ID and its like are for those"
TASKS = "logical, physical, verify or drill with its interval, and for days with the time in UTC, as in logical=6h verify=1d@04:00"
GENERATIONS = "how many to keep, as in hourly=24 daily=7 weekly=4 monthly=12"

READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "database_url": (url_with("postgresql", "postgres"), "postgresql://USER:PASSWORD@HOST:PORT/DATABASE (PostgreSQL 14 or later)"),
    "redis_url": (REDIS, f"{A_REDIS} (Redis 7 or Valkey 8 or later)"),
    "stream_redis_url": (
        url_with("redis", "rediss", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"),
        f"{A_REDIS}, or redis+cluster://HOST:PORT",
    ),
    "state_dir": (Path, "a folder"),
    "host": (str, "an address to listen on"),
    "port": (whole(1, 65535), "a port between 1 and 65535"),
    "tls_certificate": (readable_file, "a file that this process may read: the certificate with its chain, as PEM"),
    "tls_key": (readable_file, "a file that this process may read: the certificate's key without a passphrase, as PEM"),
    "public_url": (url_with("http", "https"), "an http(s) URL"),
    "secret_key": (long_secret, "at least 32 characters"),
    "encryption_keys": (encryption_keys, f"{KEYS}, separated by commas"),
    "encryption_keys_file": (readable_file, f"a file that this process may read: {KEYS}, one a line"),
    "log_format": (one_of("text", "json"), "text or json"),
    "log_level": (one_of("DEBUG", "INFO", "WARNING", "ERROR"), "DEBUG, INFO, WARNING or ERROR"),
    "environment": (word, "a word for Sentry and traces, as in production or staging: letters, digits, dots, dashes"),
    "sentry_dsn": (sentry_dsn, "a DSN, as in https://KEY@sentry.example.com/1"),
    "otlp_url": (url_with("http", "https"), "an http(s) URL of a collector that takes OTLP over HTTP, as in http://127.0.0.1:4318"),
    "traces_sample": (share, "a share of the traces that begin here, between 0 and 1"),
    "shards": (whole(1, 64), "a whole number between 1 and 64"),
    "database_pool": (whole(2, 500), "a whole number between 2 and 500"),
    "demo_project": (str, "the key of a project, prj_…; anyone who reaches /demo can then publish in it"),
    "cors_origins": (origins, "* or origins separated by commas, as in https://app.example.com"),
    "streams_per_subscriber": (whole(1, 1000), "a whole number between 1 and 1000"),
    "streams_per_project": (whole(1, 10_000_000), "a whole number between 1 and 10000000"),
    "backlog_limit": (whole(100, 10_000_000), "a whole number between 100 and 10000000"),
    "hot_window_events": (whole(10, 1_000_000), "a whole number between 10 and 1000000"),
    "hot_window_bytes": (whole(1024 * 1024, 2**34), "a whole number of bytes, at least 1048576"),
    "replay_limit": (whole(0, 1_000_000), "a whole number between 0 and 1000000"),
    "io_uring": (one_of("auto", "off"), "auto or off"),
    "connection_buffer_bytes": (whole(65536, 2**30), "a whole number of bytes, at least 65536"),
    "drain_s": (seconds(0, 600), "seconds between 0 and 600"),
    "readiness_delay_s": (seconds(0, 120), "seconds between 0 and 120"),
    "retention_days": (whole(1, 3650), "a whole number of days between 1 and 3650"),
    "lease_s": (seconds(0.5, 60), "seconds between 0.5 and 60"),
    "metrics_port": (whole(0, 65535), "a port between 1 and 65535, for this worker alone; 0: none"),
    "backup_url": (store_url, A_STORE),
    "backup_keys": (encryption_keys, f"{KEYS}, separated by commas"),
    "backup_schedule": (schedule, TASKS),
    "backup_retention": (generations, GENERATIONS),
    "backup_database_url": (
        url_with("postgresql", "postgres"),
        "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, of a login with REPLICATION and pg_monitor",
    ),
    "backup_programs": (folder_there, "the folder that holds pg_dump, pg_basebackup and pg_receivewal"),
    "operators": (str, "the key of a project, prj_…; its API keys can then see and start backups"),
    "outbound_allow": (networks, NETWORKS),
    "outbound_deny": (networks, NETWORKS),
}
