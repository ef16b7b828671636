"""What the garbage collector walks. CPython's own settings suit a short script: a collection for every 700 new objects, and now and then a
walk over everything there is, which in an API process are 300,000 objects of its modules, routes and schemas that live to its end.
"""

import gc

# Young objects between two collections, which then take less than a millisecond.
YOUNG = 10_000
# Collections of the youngest for one of the next generation, and those for one of everything.
MIDDLE, OLD = 20, 50


def spare_what_lives() -> None:
    """Once, when a process stands: what is there by now is not walked again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
