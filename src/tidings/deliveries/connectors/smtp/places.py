"""Which mail servers may be connected to."""

from tidings.outbound.errors import Blocked
from tidings.outbound.networks import Address, Policy, is_in, refusal

# Between servers, submission by TLS, submission, and what many providers open besides, since networks often close 25.
MAIL_PORTS = frozenset({25, 465, 587, 2525})
# For the question whether an address may be connected to at all: the answer about ports is ours.
NO_MATTER = 443


def check_place(policy: Policy, host: str, address: Address, port: int, *, is_encrypted: bool) -> None:
    """Raises Blocked. Within TIDINGS_OUTBOUND_ALLOW every port may be a mail server, and speak without encryption."""
    if reason := why_not(policy, address, port, is_encrypted):
        raise Blocked(f"{host} leads to {reason}.", reason, str(address))


def why_not(policy: Policy, address: Address, port: int, is_encrypted: bool) -> str | None:
    if reason := refusal(policy, "https", address, NO_MATTER):
        return reason
    if is_in(address, policy.allow):
        return None
    if not is_encrypted:
        return "a public address, where mail is sent only encrypted"
    if port not in MAIL_PORTS:
        return f"port {port} of a public address, which is not for mail"
    return None
