"""How many files and connections a process may have open.

Systems give 1,024 at first, so that old programs that use select() do not break, and let a process ask for more. Ours has a descriptor for
each stream, or for each delivery that is under way.
"""

import contextlib
import resource

from loguru import logger

# 1,600 deliveries under way, the connections kept for the next, PostgreSQL, Redis, what is just being opened or closed.
ENOUGH = 4096


def raise_descriptor_limit() -> None:
    """To the highest that this process may set. Says so when that is little."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS says that there is no limit, and refuses to have none.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now != resource.RLIM_INFINITY and now < ENOUGH:
        logger.warning("This process may open {} files and connections; {} are enough (`ulimit -Hn`).", now, ENOUGH)
