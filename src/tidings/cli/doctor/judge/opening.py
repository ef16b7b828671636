"""Whether a stream comes through at once, and as Tidings sent it."""

from tidings.cli.doctor.judge.verdict import Verdict, fine, flaw, seconds
from tidings.cli.doctor.measured import Opening
from tidings.cli.doctor.report import Finding, Unchecked

OPENS_WITHIN_S = 5

NO_BUFFER = (
    "nginx: `proxy_buffering off;` and `gzip off;` for /v1/stream, and no `proxy_ignore_headers X-Accel-Buffering`. Others: no buffering "
    "of responses, and no compression, for text/event-stream. Until then clients fall back to long polls."
)


def judge_opening(opening: Opening | None) -> list[Verdict]:
    if opening is None:
        return []
    if is_refused(opening):
        return [refused(opening)]
    flow = judge_flow(opening)
    return [flow, *without_head()] if opening.head_s is None else [flow, judge_compression(opening), judge_caching(opening)]


def is_refused(opening: Opening) -> bool:
    """No answer at all looks like a buffer, unless it was an answer that is no stream."""
    return opening.head_s is not None and (opening.status != 200 or not opening.content_type.startswith("text/event-stream"))


def refused(opening: Opening) -> Finding:
    broke = "The connection broke before an answer."
    found = opening.words or (broke if opening.status == 0 else f"It was answered with {opening.content_type or 'no content type'}.")
    title = "The stream is refused"
    return flaw("opening", "error", title, f"GET /v1/stream: {found} [{opening.status}]", instead(opening.status))


def instead(status: int) -> str:
    if status == 429:
        return "Close other streams of this person, let tabs share one, or raise TIDINGS_STREAMS_PER_SUBSCRIBER."
    if status == 503:
        return "Try again: a process that stops sends streams to another one. Otherwise see /health/ready."
    return "Let the proxy pass /v1/stream on to Tidings just as /v1/stream/poll."


def judge_flow(opening: Opening) -> Finding:
    if opening.ready_s is not None and opening.head_s is not None:
        found = f"Headers after {seconds(opening.head_s)}, the first event after {seconds(opening.ready_s)}."
        return fine("buffering", "Streams come through at once", found)
    if opening.plain_s is None:
        return slow()
    found = f"{missing(opening.head_s)}, while a plain request was answered after {seconds(opening.plain_s)}."
    return flaw("buffering", "error", "A proxy holds streams back", found, NO_BUFFER)


def missing(head_s: float | None) -> str:
    limit = seconds(OPENS_WITHIN_S)
    if head_s is None:
        return f"Not even the headers of GET /v1/stream came within {limit}"
    return f"The headers of GET /v1/stream came after {seconds(head_s)}, and its first event not within {limit}"


def slow() -> Finding:
    return flaw(
        "buffering",
        "error",
        "Everything is slow",
        f"Neither a stream nor a plain request was answered within {seconds(OPENS_WITHIN_S)}.",
        "See the load of `tidings api` and PostgreSQL (`tidings status`), then try again.",
    )


def without_head() -> list[Verdict]:
    why = "No headers of a stream came."
    return [Unchecked("compression", why), Unchecked("caching", why)]


def judge_compression(opening: Opening) -> Finding:
    encoding = opening.content_encoding
    if encoding is None or encoding == "identity":
        return fine("compression", "Nothing compresses streams", "There is no Content-Encoding.")
    return flaw(
        "compression",
        "warning",
        "Something compresses streams",
        f"The stream came with Content-Encoding: {encoding}. Tidings sends none, and forbids it (no-transform): a compressor may hold "
        "events back.",
        "nginx: `gzip off;` for /v1/stream, or text/event-stream out of `gzip_types`. Others: no compression of text/event-stream.",
    )


def judge_caching(opening: Opening) -> Finding:
    if opening.age is not None:
        return cached(opening.age)
    came = opening.cache_control
    sent = [part.strip() for part in (came or "").lower().split(",")]
    if "no-store" in sent and "no-transform" in sent:
        return fine("caching", "Nothing caches streams", "Cache-Control is as Tidings sent it.")
    return flaw(
        "caching",
        "warning",
        "Something changes Cache-Control",
        f"It came as {'nothing' if came is None else f'`{came}`'}, and Tidings sent `no-store, no-transform`.",
        "Let the proxy or CDN leave Cache-Control as it is for /v1/ (nginx: neither `expires` nor `proxy_hide_header` there).",
    )


def cached(age: str) -> Finding:
    return flaw(
        "caching",
        "error",
        "A cache answers in Tidings' place",
        f"The stream came with Age: {age}, which a cache adds.",
        "Take /v1/ out of what the proxy or CDN caches.",
    )
