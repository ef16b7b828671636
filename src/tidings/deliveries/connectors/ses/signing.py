"""AWS Signature Version 4 of a request without a query.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. Ours, since botocore, which is where Python's
maintained one lives, brings 16 MB of descriptions of every service, and a path of each.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

from tidings.deliveries.connectors.ses.config import SesCredentials

ALGORITHM = "AWS4-HMAC-SHA256"


def signed_headers(
    method: str, path: str, headers: Mapping[str, str], body: bytes, *, keys: SesCredentials, region: str, service: str, now: datetime
) -> dict[str, str]:
    """The headers with those that sign them. headers: with Host.   path: as it is sent."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    token = {"x-amz-security-token": keys.session_token} if keys.session_token else {}
    sent = {name.lower(): value for name, value in headers.items()} | {"x-amz-date": stamp} | token
    names = ";".join(sorted(sent))
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    request = canonical_request(method, path, sent, names, body)
    to_sign = "\n".join((ALGORITHM, stamp, scope, sha256(request.encode())))
    signature = hmac.digest(signing_key(keys.secret_access_key, scope), to_sign.encode(), "sha256").hex()
    return sent | {"authorization": f"{ALGORITHM} Credential={keys.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"}


def canonical_request(method: str, path: str, sent: Mapping[str, str], names: str, body: bytes) -> str:
    lines = (f"{name}:{' '.join(sent[name].split())}\n" for name in names.split(";"))
    # The path once more encoded, as every service but S3 wants it.
    return "\n".join((method, quote(path, safe="/~"), "", "".join(lines), names, sha256(body)))


def signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
