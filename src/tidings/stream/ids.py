"""Stream ids: `str_RANDOM_MAC`. The MAC binds them to a project and a subscriber, so that a foreign one is recognised by any process."""

import base64
import secrets

from tidings.platform.secrets import keyed_hash

PREFIX = "str_"


def new_number() -> int:
    return secrets.randbits(63)


def stream_id(number: int, project: int, subscriber: int) -> str:
    mac = keyed_hash("stream-id", f"{project}:{subscriber}:{number}".encode())[:10]
    return f"{PREFIX}{number:016x}_{base64.b32encode(mac).decode().lower()}"


def number_in(stream: str, project: int, subscriber: int) -> int | None:
    """The random part; None for what is not a stream of this subscriber."""
    digits = stream.removeprefix(PREFIX).partition("_")[0]
    try:
        number = int(digits, 16)
    except ValueError:
        return None
    expected = stream_id(number, project, subscriber)
    return number if secrets.compare_digest(expected.encode(), stream.encode()) else None
