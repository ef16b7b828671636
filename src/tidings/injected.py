"""What Kubernetes puts among our settings: a Service called `tidings` or `tidings-…` sets variables in every container of its namespace.

By name and value, since either alone would let typing errors pass or refuse what is right: `tidings-metrics` sets a TIDINGS_METRICS_PORT
that is no port, and TIDINGS_METRIC_PORT=9100 is a mistake.
"""

import re

ADDRESS = r"([0-9.]+|[0-9a-f]*:[0-9a-f:.]*)"
PROTOCOL = r"_[0-9]+_(TCP|UDP|SCTP)"
# The end of the name, and the value. Kubernetes' pkg/kubelet/envvars has all of them.
FORMS = [
    (re.compile(f"(_SERVICE_HOST|_PORT{PROTOCOL}_ADDR)$"), re.compile(ADDRESS)),
    (re.compile(f"(_SERVICE_PORT(_[A-Z0-9_]+)?|_PORT{PROTOCOL}_PORT)$"), re.compile(r"[0-9]{1,5}")),
    (re.compile(f"_PORT({PROTOCOL})?$"), re.compile(rf"(tcp|udp|sctp)://({ADDRESS}|\[{ADDRESS}\]):[0-9]{{1,5}}")),
    (re.compile(f"_PORT{PROTOCOL}_PROTO$"), re.compile(r"tcp|udp|sctp")),
]


def is_of_kubernetes(name: str, value: str) -> bool:
    """name: TIDINGS_…"""
    return any(of_name.search(name) and of_value.fullmatch(value) for of_name, of_value in FORMS)
