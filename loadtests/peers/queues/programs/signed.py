"""What every Python peer sends: a body as large as Tidings' own, signed as Standard Webhooks asks, by aiohttp."""

import hmac
import time
from uuid import uuid4

import aiohttp

AT_ONCE = 100
SECRET = b"a secret of the load tests, of 32"
BODY = (
    '{"type":"notification.created","timestamp":"2026-11-28T04:00:00.000000Z","data":{"id":"019ac7d2-0000-7000-8000-000000000000",'
    '"title":"Your export is ready","body":"1,204 rows, 3 MB.","url":"/exports/17","data":{"export":17,"payload":"' + "x" * 560 + '"},'
    '"category":null,"priority":"normal","collapse_key":null,"expires_at":null,"created_at":"2026-11-28T04:00:00.000000Z","recipients":1}}'
)


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE), cookie_jar=aiohttp.DummyCookieJar())


def new_job() -> dict[str, str]:
    return {"identity": str(uuid4()), "body": BODY}


async def send(client: aiohttp.ClientSession, url: str, identity: str, body: str) -> None:
    now, content = str(int(time.time())), body.encode()
    signature = hmac.digest(SECRET, b"%s.%s.%s" % (identity.encode(), now.encode(), content), "sha256").hex()
    headers = {"content-type": "application/json", "webhook-id": identity, "webhook-timestamp": now, "webhook-signature": signature}
    async with client.post(url, data=content, headers=headers, timeout=aiohttp.ClientTimeout(total=15)) as answer:
        await answer.read()
        answer.raise_for_status()
