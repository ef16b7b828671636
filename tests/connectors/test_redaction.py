"""What a far end repeats of a credential is not kept."""

import base64
import html
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from vault.planted import forms_of

from connectors.far_end import claimed, destination
from tidings.deliveries.connectors.connector import Destination
from tidings.deliveries.connectors.redaction import redacted
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Outcome
from tidings.deliveries.sending.sender import Sender

HOOK = "https://chat.example.com/services/T0/B0/Zx9Qw8Er7Ty6Ui5O"


@pytest.mark.parametrize(
    ("repeated", "kept"),
    [
        (b"Authorization: Bearer hunter2-hunter2", b"Authorization: Bearer ***"),
        (b"?key=with%20a%20space%2F", b"?key=***"),
        (HOOK.encode(), b"***"),
        (b"Cannot POST /services/T0/B0/Zx9Qw8Er7Ty6Ui5O", b"Cannot POST /***"),
        (b"no such token: Zx9Qw8Er7Ty6Ui5O", b"no such token: ***"),
        (b"/botQm4Nb5Vc6Xz7L/send", b"/bot***/send"),
        (b"chat.example.com is away, 17 of 17", b"chat.example.com is away, 17 of 17"),
    ],
)
def test_texts_of_credentials_are_cut_out(repeated: bytes, kept: bytes) -> None:
    secrets = {"token": "hunter2-hunter2", "key": "with a space/", "urls": [HOOK, "tgram://Qm4Nb5Vc6Xz7L/1"], "short": "17", "port": 17}
    outcome = redacted(Outcome(kind="retry", reason="http_500", detail=repeated.decode(), response=repeated), secrets)
    assert (outcome.response, outcome.detail, outcome.reason) == (kept, kept.decode(), "http_500")


@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_they_are_found_in_base64_wherever_they_begin(before: str) -> None:
    # As Basic does, and SMTP.
    encoded = base64.b64encode(f"{before}:hunter2-hunter2:and more".encode())
    outcome = redacted(Outcome(kind="retry", reason="http_401", response=b"Basic " + encoded), {"password": "hunter2-hunter2"})
    assert b"***" in outcome.response
    assert not any(form in outcome.response for form in forms_of(b"hunter2-hunter2"))


def test_they_are_found_as_json_and_html_write_them() -> None:
    secret = 'tok/en "4" & <more>'
    said = f"{json.dumps(secret)} {json.dumps(secret)} {html.escape(secret)}".replace("/", "\\/", 1)
    outcome = redacted(Outcome(kind="retry", reason="http_500", detail=said), {"token": secret})
    assert outcome.detail == '"***" "***" ***'


def test_the_token_of_a_header_is_found_alone() -> None:
    outcome = redacted(
        Outcome(kind="retry", reason="x", detail="no such key: hunter2-hunter2"), {"Authorization": "Bearer hunter2-hunter2"}
    )
    assert outcome.detail == "no such key: ***"


class Telling:
    """A connector whose far end repeats everything."""

    most_together = 1

    async def send(self, reach: Any, destination: Destination, deliveries: Sequence[Claimed]) -> list[Outcome]:
        return [Outcome(kind="retry", reason="http_500", response=str(destination.secrets).encode()) for _ in deliveries]


async def test_a_worker_keeps_nothing_of_them() -> None:
    sender = Sender("worker", cast(Any, SimpleNamespace(pool=None, vault=None)), cast(Any, {"telling": Telling()}))
    one = claimed()
    sender.destinations.remember(one.destination_as_of, destination("telling", {}, {"token": "hunter2-hunter2"}))
    [outcome] = await sender.outcomes_of([one])
    assert outcome.response == b"{'token': '***'}"
