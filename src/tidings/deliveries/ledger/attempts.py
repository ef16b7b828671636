"""The attempts of a delivery, as people look at them."""

import base64
import codecs
from collections.abc import Mapping
from typing import Any

from tidings.deliveries.ledger.listing import delivery_id, unknown
from tidings.deliveries.ledger.structs import AttemptInfo, AttemptLatency, AttemptPage
from tidings.platform.keyset import cut, decode_place, encode_place
from tidings.platform.postgres import Connection

EXISTS = "SELECT EXISTS (SELECT FROM deliveries WHERE project = $1 AND id = $2::uuid)"
LIST = """
SELECT number, started_at, ended_at, outcome, reason, detail, status, dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms, response,
    truncated, next_attempt_at
FROM attempts WHERE project = $1 AND delivery = $2::uuid AND number > $3 ORDER BY number LIMIT $4
"""
# Above any number of an attempt; a place beyond it would not fit the column.
LAST_NUMBER = 32_767


async def list_attempts(connection: Connection, project: int, delivery: str, after: str | None, limit: int) -> AttemptPage:
    """The first one first. Raises NotFound."""
    identity = delivery_id(delivery)
    if not await connection.fetchval(EXISTS, project, identity):
        raise unknown(delivery)
    rows, more = cut(await connection.fetch(LIST, project, identity, min(decode_place(after), LAST_NUMBER), limit + 1), limit)
    return AttemptPage([info_of(row) for row in rows], encode_place(rows[-1]["number"]) if more else None)


def info_of(row: Mapping[str, Any]) -> AttemptInfo:
    response, is_base64 = readable(row["response"], row["truncated"])
    return AttemptInfo(
        number=row["number"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        outcome=row["outcome"],
        reason=row["reason"],
        detail=row["detail"],
        status=row["status"],
        latency=AttemptLatency(*(rounded(row[f"{step}_ms"]) for step in ("dns", "connect", "tls", "first_byte", "total"))),
        response=response,
        response_is_base64=is_base64,
        truncated=row["truncated"],
        next_attempt_at=row["next_attempt_at"],
    )


def rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 3)


def readable(response: bytes | None, truncated: bool) -> tuple[str | None, bool]:
    """As text, or as base64 where it is no UTF-8. What was cut off may end within a character, which is left out."""
    if response is None:
        return None, False
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(response, final=not truncated), False
    except UnicodeDecodeError:
        return base64.b64encode(response).decode(), True
