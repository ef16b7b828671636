"""What becomes of a stream and a long poll on which nothing happens."""

from tidings.cli.doctor.judge.opening import NO_BUFFER
from tidings.cli.doctor.judge.verdict import Verdict, fine, flaw, seconds
from tidings.cli.doctor.measured import Held, LongPoll
from tidings.cli.doctor.report import Finding, Unchecked

# What Tidings does is not imported: the API with all it needs takes a second. The tests hold these to it.
BEAT_S = 15
# Our clients' own long polls; the API allows 60.
POLL_S = 25
# A heartbeat that takes longer than this on the way was held back: the wheel that sends them turns once a second.
LATE_S = 5

PATIENCE = (
    "nginx: `proxy_read_timeout 75s;`. HAProxy: `timeout client 75s` and `timeout server 75s`. A load balancer: an idle time-out of 75 s "
    "or more. Heartbeats come each 15 s, and a long poll waits up to 60."
)


def judge_idle(held: Held | None, poll: LongPoll | None) -> list[Verdict]:
    of_stream = without_stream() if held is None else [judge_beats(held), judge_stream(held)]
    return [*of_stream, Unchecked("poll-idle", "Tidings let no long poll wait.") if poll is None else judge_poll(poll)]


def without_stream() -> list[Verdict]:
    why = "There was no stream to hold."
    return [Unchecked("heartbeats", why), Unchecked("stream-idle", why)]


def judge_beats(held: Held) -> Verdict:
    silence = max(silences(held))
    if silence > BEAT_S + LATE_S:
        return lumps(silence)
    if held.held_s <= BEAT_S + LATE_S:
        return Unchecked("heartbeats", f"A stream was held for {seconds(held.held_s)}; a heartbeat comes each 15 s.")
    found = f"In {seconds(held.held_s)} it was never silent for more than {seconds(silence)}."
    return fine("heartbeats", "Heartbeats come in time", found)


def lumps(silence: float) -> Finding:
    return flaw(
        "heartbeats",
        "error",
        "What Tidings says comes late",
        f"A stream was silent for {seconds(silence)}, and Tidings says something each 15 s: a proxy keeps it until it has enough.",
        NO_BUFFER,
    )


def silences(held: Held) -> list[float]:
    """Between one thing heard and the next, from the first event to the end."""
    return [to - since for since, to in zip([0.0, *held.heard_at_s], [*held.heard_at_s, held.held_s], strict=True)]


def judge_stream(held: Held) -> Verdict:
    if held.ended_by == "us":
        return fine("stream-idle", "A quiet stream stays open", f"It was held for {seconds(held.held_s)}.")
    if held.ended_by == "tidings":
        return Unchecked("stream-idle", f"Tidings ended it after {seconds(held.held_s)}: {held.last_words}.")
    *gaps, last = silences(held)
    # Whoever let a longer silence pass did not cut it for this one.
    return limited(held) if max(gaps, default=0) >= last else cut_when_quiet(last)


def cut_when_quiet(silence: float) -> Finding:
    found = f"A stream was cut after {seconds(silence)} in which nothing was said."
    return flaw("stream-idle", "error", "Quiet streams are cut", found, PATIENCE)


def limited(held: Held) -> Finding:
    return flaw(
        "stream-idle",
        "warning",
        "Streams are cut after a while",
        f"A stream was cut after {seconds(held.held_s)}, although heartbeats passed: that is a limit of its whole time.",
        "Raise what the proxy or load balancer allows a request in all. Nothing is lost, since clients resume, but each cut costs a "
        "reconnect.",
    )


def judge_poll(poll: LongPoll) -> Finding:
    if not poll.was_cut:
        return fine("poll-idle", "Long polls may wait", f"One waited for {seconds(poll.stayed_s)}.")
    how = "lost its connection" if poll.status == 0 else f"was answered {poll.status}"
    found = f"One that asked to wait for {seconds(poll.wanted_s)} {how} after {seconds(poll.stayed_s)}."
    return flaw("poll-idle", "error" if poll.stayed_s < POLL_S else "warning", "Long polls are cut", found, PATIENCE)
