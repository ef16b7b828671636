"""`tidings doctor`: what stands between browsers and Tidings. The same checks, in the same words, as @tidings/client/doctor in a browser.

measured.py is what both measure, judge/ what both say of it: a change there is a change in src/client/packages/client/src/doctor too, and
the cases of tests/doctor hold one against the other.
"""

from tidings.cli.doctor.entry import command

__all__ = ["command"]
