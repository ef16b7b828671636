"""`tidings status`: how all is, on one screen, in the order in which it matters. Looks (gather.py), judges (lines.py), shows (entry.py)."""

from tidings.cli.status.entry import command

__all__ = ["command"]
