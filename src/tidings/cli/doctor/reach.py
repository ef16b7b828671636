"""What becomes of a plain request with the token, and where it fails."""

import os
import socket
import ssl

import httptools
import msgspec

from tidings.cli.doctor.measured import Answered, Away, Foreign, Reach, Refused, Silent, Untrusted
from tidings.cli.doctor.place import ANSWERS_WITHIN_S, Answer, Place, words_of

# Its shortest answer: where the log stands.
PLAIN = "/v1/stream/poll?wait=0"


class Polled(msgspec.Struct):
    cursor: str
    events: list[msgspec.Raw]


async def measure_reach(place: Place) -> Reach:
    try:
        return reach_of(await place.get(PLAIN))
    except TimeoutError:
        return Silent(after_s=ANSWERS_WITHIN_S)
    except ssl.SSLCertVerificationError as error:
        return Untrusted(words=error.verify_message)
    except httptools.HttpParserError:
        return Away(words="what answers there does not speak HTTP")
    except OSError as error:
        return Away(words=reason_of(error))


def reach_of(answer: Answer) -> Reach:
    if answer.is_problem:
        return Refused(status=answer.status, words=words_of(answer.body))
    if answer.status == 200 and polled(answer) is not None:
        return Answered(took_s=answer.took_s)
    return Foreign(status=answer.status, content_type=answer.content_type, location=answer.headers.get("location"))


def polled(answer: Answer) -> Polled | None:
    try:
        return msgspec.json.decode(answer.body, type=Polled)
    except msgspec.MsgspecError:
        return None


def reason_of(error: OSError) -> str:
    """Without numbers and addresses: `Connection refused`."""
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or error})"
    if isinstance(error, socket.gaierror):
        return str(error.strerror)
    return os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
