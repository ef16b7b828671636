"""The mapping that docs/sources.md shows does what it says there."""

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tidings.sources.mappings import check_mappings, mapped
from tidings.sources.paths import Event
from tidings.sources.structs import Mapping

DOCUMENT = Path(__file__).parents[2] / "docs/sources.md"
INVOICE = {"id": "in_1", "number": None, "amount_due": 4900, "currency": "eur", "hosted_invoice_url": "https://pay.example.com/in_1"}


def test_the_documented_mappings_make_what_they_say() -> None:
    [example] = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    mappings = msgspec.json.decode(example, type=list[Mapping])
    check_mappings(mappings)
    titles = []
    for attempts in (3, 1):
        members = INVOICE | {"attempt_count": attempts, "metadata": {"user_id": "alice"}}
        event = Event("evt_1", None, {"type": "invoice.payment_failed", "data": {"object": members}})
        made = mapped(mappings, event, datetime.now(UTC))
        assert made.draft is not None, made.reason
        titles.append(made.draft.wanted.title)
    assert titles == ["Invoice without a number is still unpaid", "invoice.payment_failed: a draft"]
