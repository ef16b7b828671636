"""Whether this machine and Tidings mean the same time."""

from tidings.cli.doctor.judge.verdict import Verdict, fine, flaw, seconds
from tidings.cli.doctor.measured import Clock
from tidings.cli.doctor.report import Unchecked

WARN_S = 5
# Tokens live for minutes, and those that a backend signs itself begin and end by its clock.
ERROR_S = 60


def judge_clock(clock: Clock | None) -> Verdict:
    if clock is None:
        return Unchecked("clock", "No answer said what time it is there.")
    apart = max(0.0, abs(clock.ahead_s) - clock.within_s)
    side = "behind" if clock.ahead_s < 0 else "ahead of"
    found = f"This machine is {seconds(abs(clock.ahead_s))} {side} Tidings, give or take {seconds(clock.within_s)}."
    if apart <= WARN_S:
        return fine("clock", "The clocks agree", found)
    return flaw("clock", "error" if apart > ERROR_S else "warning", "The clocks differ", found, SYNCHRONISE)


SYNCHRONISE = (
    "Let both keep time by NTP (chrony, systemd-timesyncd). Tokens live for minutes: one that a machine signs by a wrong clock is refused, "
    "or ends early."
)
