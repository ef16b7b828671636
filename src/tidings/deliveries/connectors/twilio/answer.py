"""What Twilio's answer means: a status, and a code of its own (https://www.twilio.com/docs/api/errors)."""

from contextlib import suppress
from datetime import datetime

import msgspec

from tidings.deliveries.connectors.answered import answered
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import Answer

# This person cannot be reached so.
REFUSED = {
    21211: "this is no valid phone number",
    21214: "this number cannot be reached",
    21610: "the person has unsubscribed from this sender",
    21612: "this sender cannot reach this number",
    21614: "this number takes no SMS",
}
# Too much at once, or in the queue of this sender.
SLOW_DOWN = frozenset({14107, 20429, 21611, 63018})
# Of the account, and others can change it there: its credentials, its senders, where it may send to, what it is a trial for, its balance.
CURABLE = {
    20003: "the credentials were not accepted",
    21212: "the sender is not valid",
    21408: "the account may not send to this region",
    21603: "the message has no sender",
    21606: "the sender is not this account's, or sends no SMS",
    21608: "a trial account sends to verified numbers alone",
    21659: "the sender is not this account's",
    21701: "the messaging service does not exist",
    21703: "the messaging service has no sender",
    21704: "the messaging service has no sender for this number",
    21730: "Twilio is under maintenance",
}


class Refusal(msgspec.Struct, frozen=True):
    code: int = 0


def outcome_of(answer: Answer, now: datetime) -> Outcome:
    """201: Twilio has it, and sends it on."""
    status = answer.status
    if 200 <= status < 300:
        return answered(answer, "delivered", now)
    code = code_in(answer.body)
    meaning = REFUSED.get(code) or CURABLE.get(code)
    said = f"Twilio answered {status}{f' with error {code}' if code else ''}{f': {meaning}' if meaning else ''}."
    if status == 429 or code in SLOW_DOWN:
        return msgspec.structs.replace(answered(answer, "retry", now, reason=reason_of(code), detail=said), slow_down=True)
    if code in CURABLE or status in (401, 403, 404):
        is_unauthorized = code == 20003 or (not code and status in (401, 403))
        return answered(answer, "retry", now, reason="unauthorized" if is_unauthorized else reason_of(code), detail=said)
    is_curable = code not in REFUSED and (status >= 500 or status < 400)
    return answered(answer, "retry" if is_curable else "refused", now, reason=reason_of(code), detail=said)


def reason_of(code: int) -> str:
    return f"twilio_{code}" if code else ""


def code_in(body: bytes) -> int:
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        return msgspec.json.decode(body, type=Refusal).code
    return 0
