"""What a mail server's answer means: 4xx is worth a further attempt, 5xx is not (RFC 5321 §4.2.1). Enhanced codes (RFC 3463) say why."""

import re
import ssl

from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPConnectResponseError,
    SMTPException,
    SMTPHeloError,
    SMTPResponse,
    SMTPResponseException,
)

from tidings.deliveries.connectors.smtp.connecting import NoStartTls
from tidings.deliveries.connectors.webhook.answer import outcome_of_failure
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.connector import why_no_tls
from tidings.outbound.errors import OutboundFailed

# By subject and detail of the enhanced code (IANA's registry of SMTP enhanced status codes).
REASONS = {
    "1.1": "no_such_mailbox",
    "1.2": "no_such_domain",
    "1.3": "bad_address",
    "1.6": "mailbox_moved",
    "1.7": "sender_refused",
    "1.8": "sender_refused",
    "1.10": "no_such_domain",
    "2.1": "mailbox_disabled",
    "2.2": "mailbox_full",
    "2.3": "too_large",
    "3.2": "not_accepting",
    "3.4": "too_large",
    "4.1": "no_answer_from_domain",
    "4.4": "no_such_domain",
    "4.7": "expired",
    "6.7": "smtputf8_unsupported",
    "7.0": "refused_by_policy",
    "7.1": "refused_by_policy",
    "7.8": "unauthorized",
    "7.26": "not_authenticated",
}
ENHANCED = re.compile(r"([245])\.(\d{1,3}\.\d{1,3})\b")
# Authentication required, failed, too weak, without encryption (RFC 4954 §6): the integration is wrong, not the message.
CREDENTIALS = frozenset({530, 534, 535, 538})
# "Closing the transmission channel": too many connections, too much at once, or on its way down.
CLOSING = 421
KEPT_BYTES = 16 * 1024


class NoAnswer(Exception):
    """The message was sent, and nothing came back: it may have arrived."""


class NoUtf8(Exception):
    """The address needs SMTPUTF8 (RFC 6531), which the server lacks."""


def delivered(answer: SMTPResponse) -> Outcome:
    return Outcome(kind="delivered", reason=f"smtp_{answer.code}", response=answer.message.encode(errors="replace")[:KEPT_BYTES])


def outcome_of(error: Exception) -> Outcome:
    """Of whatever kept a message from being accepted."""
    match error:
        case OutboundFailed():
            return outcome_of_failure(error)
        case SMTPResponseException():
            return outcome_of_refusal(error)
        case NoAnswer():
            return retry("no_answer", "The message was sent, but no answer came; it is sent again with the same Message-ID.")
        case NoUtf8():
            return Outcome(
                kind="refused",
                reason="smtputf8_unsupported",
                detail="The address has letters beyond ASCII before the @, and the mail server has no SMTPUTF8.",
            )
        case NoStartTls():
            return retry("no_starttls", "The mail server offers no STARTTLS, and nothing is sent unencrypted.")
        case ssl.SSLError():
            return retry("tls_failed", f"The connection could not be encrypted: {why_no_tls(error)}.")
        case SMTPException() if isinstance(error.__cause__, ssl.SSLError):
            return retry("tls_failed", f"The connection could not be encrypted: {why_no_tls(error.__cause__)}.")
        case TimeoutError():
            return retry("timed_out", "The mail server took too long to answer.")
        case OSError():
            return retry("disconnected", "The mail server ended the connection.")
    return retry("protocol", "The mail server does not offer what is needed to sign in.")


def outcome_of_refusal(error: SMTPResponseException) -> Outcome:
    code, words = error.code, error.message
    enhanced = ENHANCED.match(words)
    shown = f"{code} {enhanced[0]}" if enhanced else str(code)
    is_credentials = isinstance(error, SMTPAuthenticationError) or code in CREDENTIALS
    is_about_us = is_credentials or isinstance(error, SMTPConnectResponseError | SMTPHeloError)
    return Outcome(
        kind="refused" if 500 <= code < 600 and not is_about_us else "retry",
        reason="unauthorized" if is_credentials else REASONS.get(enhanced[2] if enhanced else "", f"smtp_{code}"),
        detail=f"The mail server answered {shown}.",
        slow_down=code == CLOSING,
        response=words.encode(errors="replace")[:KEPT_BYTES],
    )


def retry(reason: str, detail: str) -> Outcome:
    return Outcome(kind="retry", reason=reason, detail=detail)
