"""What ends a release: the first signal, which begins the way back. Nothing ends that."""

import contextlib
import signal
from collections.abc import Iterator

# SIGHUP comes when a terminal is closed.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_by_signal() -> None:
    """The first one raises KeyboardInterrupt, further ones nothing. Of the main thread."""

    def interrupt(number: int, frame: object) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt("interrupted")

    for number in SIGNALS:
        # `nohup` has seen to it that a closed terminal is no reason to end.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
