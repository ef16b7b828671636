"""Asking Stripe for a payment link (https://docs.stripe.com/api/payment-link/create), with the key of a `stripe_meter` integration."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from tidings.access.idempotency import OnceKey
from tidings.access.principals import KeyHolder
from tidings.deliveries.connectors.connector import Destination
from tidings.deliveries.connectors.stripe_meter.connector import BASE, StripeMeter, StripeMeterCredentials, headers_of
from tidings.deliveries.destinations.kinds import INTEGRATION, WEBHOOK, unknown
from tidings.deliveries.payment_links.answer import Made, failure_of, is_repeated, made_of
from tidings.deliveries.payment_links.structs import NewPaymentLink
from tidings.deliveries.sending.opened import LOAD_BY_KEY, opened
from tidings.errors import Conflict
from tidings.outbound.client import Answer, Outbound
from tidings.outbound.errors import OutboundFailed
from tidings.platform.postgres import Connection
from tidings.vault import Vault

# Of a caller who waits, for all keys together; the command line does so for 30 s.
ANSWERS_WITHIN_S = 10.0
# A link with fifty members of metadata has 30 KB.
KEPT_BYTES = 64 * 1024
MOST_KEYS = 5


async def stripe_of(connection: Connection, holder: KeyHolder, vault: Vault, key: str) -> Destination:
    """The integration, opened. Raises NotFound; Conflict when it is of another connector; CannotOpen."""
    row = await connection.fetchrow(LOAD_BY_KEY, holder.tenant.id, key)
    if row is None or row["connector"] == WEBHOOK:
        raise unknown(INTEGRATION, key)
    if row["connector"] != StripeMeter.name:
        raise Conflict(f"Payment links are made by integrations of {StripeMeter.name}, and {key} is one of {row['connector']}.")
    return await opened(connection, vault, row)


async def create_payment_link(outbound: Outbound, destination: Destination, wanted: NewPaymentLink, once: OnceKey | None) -> Made:
    """Raises Invalid, naming the member that Stripe refused; Conflict; Unavailable; BadAnswer."""
    key = msgspec.convert(destination.secrets, StripeMeterCredentials).key
    form = form_of(wanted)
    try:
        answer = await ask(outbound, key, form, [once.key] if once else own_keys(destination, form))
    except OutboundFailed as error:
        raise failure_of(error) from None
    return made_of(answer, destination.secrets)


async def ask(outbound: Outbound, key: str, form: bytes, keys: Sequence[str]) -> Answer:
    """keys: idempotency keys. Stripe repeats its first answer to one for a day, a failure too; then the next is used."""
    clock = asyncio.get_running_loop().time
    ends_at = clock() + ANSWERS_WITHIN_S
    for once in keys:
        headers = headers_of(key) | {"content-type": "application/x-www-form-urlencoded", "idempotency-key": once}
        answer = await outbound.request(
            "POST",
            f"{BASE}/v1/payment_links",
            headers=headers,
            body=form,
            # In tenths, because it is told.
            timeout_s=max(0.1, round(ends_at - clock(), 1)),
            keep_bytes=KEPT_BYTES,
            repeatable=True,
        )
        if answer.status < 400 or not is_repeated(answer):
            break
    return answer


def form_of(wanted: NewPaymentLink) -> bytes:
    """The same for the same, in whatever order its metadata came."""
    fields: dict[str, Any] = {"line_items[0][price]": wanted.price, "line_items[0][quantity]": wanted.quantity}
    fields |= {f"metadata[{name}]": value for name, value in sorted((wanted.metadata or {}).items())}
    return urlencode(fields | after_completion(wanted.after_completion_url)).encode()


def after_completion(url: str | None) -> dict[str, str]:
    return {} if url is None else {"after_completion[type]": "redirect", "after_completion[redirect][url]": url}


def own_keys(destination: Destination, form: bytes) -> list[str]:
    """For who sends none: the same request of the same integration has one link, as long as Stripe knows the key."""
    digest = hashlib.sha256(f"{destination.project_key} {destination.key}\n".encode() + form).hexdigest()
    return [f"tidings-{digest}-{number}" for number in range(MOST_KEYS)]
