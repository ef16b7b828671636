"""What Slack's answer to an incoming webhook means: a status, and a word as its body.

The words: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors, and
https://docs.slack.dev/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks.
"""

import re
from datetime import datetime

from tidings.deliveries.connectors.answered import answered
from tidings.deliveries.ledger.outcome import Outcome
from tidings.outbound.client import Answer

WORD = re.compile(rb"[a-z_]{1,60}")
# The webhook leads nowhere any more; somebody has to make another, or bring back what it led to.
GONE = {
    "no_service": "The webhook was removed or switched off.",
    "no_service_id": "The webhook was removed or switched off.",
    "no_active_hooks": "The webhook was switched off.",
    "no_team": "The workspace is gone.",
    "team_disabled": "The workspace was disabled.",
    "channel_not_found": "The channel is gone.",
    "channel_is_archived": "The channel was archived.",
}
# Somebody in the workspace can change these meanwhile.
CURABLE = {
    "action_prohibited": "An administrator's restriction keeps the webhook from posting.",
    "posting_to_general_channel_denied": "The webhook may not post to the general channel.",
    "invalid_token": "The webhook's URL is not valid.",
}


def outcome_of(answer: Answer, now: datetime) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return answered(answer, "delivered", now)
    body = answer.body.strip()
    word = body.decode() if WORD.fullmatch(body) else ""
    said = f"Slack answered {status}{f' {word}' if word else ''}."
    if word in GONE:
        return answered(answer, "refused", now, reason=word, detail=f"{said} {GONE[word]}", is_gone=True)
    if word in CURABLE or status in (401, 403):
        return answered(answer, "retry", now, reason=word or "unauthorized", detail=f"{said} {CURABLE.get(word, '')}".strip())
    is_curable = status == 429 or status >= 500 or status < 400
    return answered(answer, "retry" if is_curable else "refused", now, reason=word, detail=said)
