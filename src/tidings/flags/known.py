"""The deployment's flags that Tidings itself asks. Those of connectors stand in `halts.py`."""

import msgspec


class Known(msgspec.Struct, frozen=True):
    """A boolean. default: until somebody sets it.   what: is guarded by it, in one line for operators.

    by_project: whether it is asked for a project each time; otherwise for none, so that there is no share of them.
    """

    key: str
    default: bool
    what: str
    by_project: bool = True


SHORT_PUBLISH = Known("short_ways.publish", True, "Plain publishes are served before the framework.")
SHORT_WRITE = Known("short_ways.write", True, "Plain publishes are written by one statement.")
SHORT_STREAM = Known("short_ways.stream", True, "Plain streams are opened past the reading of arguments.")
KEPT_CONNECTIONS = Known("deliveries.kept_connections", True, "Connections to receivers are kept for the next delivery.", by_project=False)

KNOWN = {known.key: known for known in (SHORT_PUBLISH, SHORT_WRITE, SHORT_STREAM, KEPT_CONNECTIONS)}
