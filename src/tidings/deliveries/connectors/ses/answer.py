"""What an answer of SES means.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors
"""

import re
from datetime import datetime
from typing import Any

import msgspec

from tidings.deliveries.connectors.answered import answered
from tidings.deliveries.ledger.outcome import Kind, Outcome
from tidings.outbound.client import Answer

# Of the message itself; everything else that SES refuses is of the account or the integration, and passes or is mended.
OF_THE_MESSAGE = {"MessageRejected": "rejected", "BadRequestException": "bad_request"}
OF_THE_ACCOUNT = {
    "AccountSuspendedException": "account_suspended",
    "SendingPausedException": "sending_paused",
    "MailFromDomainNotVerifiedException": "domain_not_verified",
    "NotFoundException": "not_found",
    "LimitExceededException": "limit_exceeded",
    "TooManyRequestsException": "throttled",
    "ThrottlingException": "throttled",
}
TYPE = re.compile(r"[A-Za-z]+")


def outcome_of(answer: Answer, now: datetime) -> Outcome:
    if answer.status == 200:
        return answered(answer, "delivered", now)
    error = error_type(answer)
    kind: Kind = "refused" if error in OF_THE_MESSAGE else "retry"
    detail = f"SES answered {answer.status} {error or ''}".rstrip() + "."
    return answered(answer, kind, now, reason=reason_of(answer.status, error), detail=detail)


def reason_of(status: int, error: str | None) -> str:
    """Empty where the status says as much."""
    if status in (401, 403):
        return "unauthorized"
    return (OF_THE_MESSAGE | OF_THE_ACCOUNT).get(error or "", "")


def error_type(answer: Answer) -> str | None:
    """In a header as in `MessageRejected:http://internal.amazon.com/…`, or a member of the body, with a namespace before a hash."""
    named = answer.headers.get("x-amzn-errortype") or type_in(answer.body)
    found = TYPE.match(named.rpartition("#")[2]) if named else None
    return found[0] if found else None


def type_in(body: bytes) -> str | None:
    try:
        document: Any = msgspec.json.decode(body)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    named = document.get("__type") or document.get("code")
    return named if isinstance(named, str) else None
