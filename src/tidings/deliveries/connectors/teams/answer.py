"""What a workflow's answer means. 202 says that it was triggered; what it does then, it does by itself."""

import re
from contextlib import suppress
from datetime import datetime

import msgspec

from tidings.deliveries.connectors.answered import answered
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import Answer

WORD = re.compile(r"[A-Za-z]{1,60}")
# Said with 400, while somebody has switched the workflow off.
SWITCHED_OFF = frozenset({"WorkflowTriggerIsNotEnabled", "WorkflowDisabled"})


class Fault(msgspec.Struct, frozen=True):
    code: str = ""


class Refusal(msgspec.Struct, frozen=True):
    error: Fault = Fault()


def outcome_of(answer: Answer, now: datetime) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return answered(answer, "delivered", now)
    code = code_in(answer.body)
    said = f"The workflow answered {status}{f' {code}' if code else ''}."
    if status in (404, 410):
        return answered(answer, "refused", now, detail=f"{said} It was deleted.", is_gone=True)
    if status in (401, 403):
        return answered(answer, "retry", now, reason="unauthorized", detail=said)
    is_curable = status == 429 or status >= 500 or status < 400 or code in SWITCHED_OFF
    return answered(answer, "retry" if is_curable else "refused", now, detail=said)


def code_in(body: bytes) -> str:
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        code = msgspec.json.decode(body, type=Refusal).error.code
        return code if WORD.fullmatch(code) else ""
    return ""
