"""What was measured, before it is judged: what a browser measures too, by the same names as JSON."""

from typing import Literal

import msgspec


class Camel(msgspec.Struct, rename="camel"):
    """On the wire as browsers write names."""


class Answered(Camel, tag_field="kind", tag="answered"):
    """A plain request with the token."""

    took_s: float


class Refused(Camel, tag_field="kind", tag="refused"):
    """Tidings itself said no: a token that is refused, or a process that cannot serve."""

    status: int
    words: str


class Foreign(Camel, tag_field="kind", tag="foreign"):
    """Something else than Tidings answered."""

    status: int
    content_type: str
    location: str | None


class Silent(Camel, tag_field="kind", tag="silent"):
    after_s: float


class Away(Camel, tag_field="kind", tag="away"):
    words: str


class Untrusted(Camel, tag_field="kind", tag="untrusted"):
    """The certificate is not believed."""

    words: str


Reach = Answered | Refused | Foreign | Silent | Away | Untrusted


class Certificate(Camel):
    days_left: float
    days_in_all: float


class Opening(Camel):
    """From the request for a stream to its first event, or to what came instead. Seconds since the request; None: not in time.

    plain_s: how long a plain request took at that time.   status: 0 for a connection that broke.   words: of a refusal.
    """

    head_s: float | None
    ready_s: float | None
    plain_s: float | None
    status: int
    words: str
    content_type: str
    content_encoding: str | None
    cache_control: str | None
    age: str | None


class Held(Camel):
    """A stream that nothing happens on, from its first event to its end.

    wanted_s: for so long we meant to.   heard_at_s: when something came, in seconds after the first event.
    ended_by: other is whatever stands between.   last_words: what Tidings said when it ended it.
    """

    wanted_s: float
    held_s: float
    heard_at_s: list[float]
    ended_by: Literal["us", "tidings", "other"]
    last_words: str


class LongPoll(Camel):
    """stayed_s: the longest that one stayed.   status: of the answer that cut it; 0 for a connection that broke."""

    wanted_s: float
    stayed_s: float
    was_cut: bool
    status: int


class Clock(Camel):
    """ahead_s: this machine's minus Tidings'."""

    ahead_s: float
    within_s: float


class Drain(Camel):
    """As in /health/ready."""

    open: int
    processes: int | None
    drain_s: float
    readiness_delay_s: float


class Measured(Camel, kw_only=True):
    """origin: of a page; None here, since no CORS concerns a command line."""

    url: str
    origin: str | None = None
    reach: Reach
    protocol: str | None = None
    certificate: Certificate | None = None
    opening: Opening | None = None
    held: Held | None = None
    poll: LongPoll | None = None
    clock: Clock | None = None
    drain: Drain | None = None
