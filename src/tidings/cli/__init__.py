"""The command line. Each file holds one command or group of commands; nothing imports from here.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 a wrong setting.
"""

from tidings.cli.commands import main

__all__ = ["main"]
