"""Subscriber tokens: made, verified, refused with the reason, revoked; keys that sign them."""

import asyncio
import base64
import time
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from in_process import Api

from tidings.access.cache import AccessCache, ended_by
from tidings.access.signing import current_signer, rotate_signing_key
from tidings.errors import Unauthenticated


async def reason(api: Api, token: str) -> Any:
    with pytest.raises(Unauthenticated) as caught:
        await api.access.session(token)
    return caught.value.extra.get("reason")


async def own_key(api: Api) -> tuple[Ed25519PrivateKey, str]:
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    added = await api.ok("POST", "/v1/public-keys", {"name": "backend", "public_key": pem})
    await api.follow()
    return private, added["kid"]


def claims(api: Api, **other: Any) -> dict[str, Any]:
    now = int(time.time())
    made = {"aud": "tidings", "project": api.tenant.key, "sub": "alice", "iat": now, "exp": now + 600} | other
    return {name: value for name, value in made.items() if value is not None}


async def test_a_token_signs_in_its_subscriber_who_is_created_if_unknown(api: Api) -> None:
    answer = await api.ok("POST", "/v1/subscribers/alice/tokens", {"ttl": 60})
    session = await api.access.session(answer["token"])
    assert (session.external_id, session.tenant) == ("alice", api.tenant)
    assert 59 < session.expires_at.timestamp() - time.time() < 60
    assert (await api.ok("GET", "/v1/subscribers/alice"))["id"] == "alice"


async def test_a_token_needs_no_body_and_lives_15_minutes(api: Api) -> None:
    answer = await api("POST", "/v1/subscribers/alice/tokens")
    assert answer.status_code == 201
    read = jwt.decode(answer.json()["token"], options={"verify_signature": False})
    assert 899.9 < read["exp"] - read["iat"] < 900.1
    assert (read["iss"], read["aud"], read["project"], read["sub"]) == ("tidings", "tidings", api.tenant.key, "alice")


@pytest.mark.parametrize("ttl", [0, -1, 901, 1.5, "x"])
async def test_a_ttl_out_of_bounds_is_refused(api: Api, ttl: Any) -> None:
    answer = await api("POST", "/v1/subscribers/alice/tokens", {"ttl": ttl})
    assert (answer.status_code, answer.json()["field"]) == (422, "ttl")


async def test_any_jwt_library_verifies_a_token_with_the_published_keys(api: Api) -> None:
    answer = await api.client.get("/.well-known/jwks.json")
    assert "max-age" in answer.headers["Cache-Control"]
    token = await api.token("alice")
    kid = jwt.get_unverified_header(token)["kid"]
    [key] = [key for key in jwt.PyJWKSet.from_dict(answer.json()).keys if key.key_id == kid]
    assert jwt.decode(token, key.key, algorithms=["EdDSA"], audience="tidings")["sub"] == "alice"


async def test_a_token_verifies_across_a_rotation_and_new_ones_use_the_new_key(api: Api) -> None:
    before = await api.token("alice")
    kid = await rotate_signing_key(api.database)
    api.access.signers.forget("")
    after = await api.token("alice")
    assert jwt.get_unverified_header(after)["kid"] == kid
    assert (await api.access.session(before)).external_id == (await api.access.session(after)).external_id
    published = {key["kid"] for key in (await api.client.get("/.well-known/jwks.json")).json()["keys"]}
    assert {kid, jwt.get_unverified_header(before)["kid"]} <= published


async def test_processes_that_need_the_first_key_at_once_make_one(api: Api) -> None:
    await api.database.system.execute("DELETE FROM signing_keys")
    signers = await asyncio.gather(*(current_signer(api.database) for _ in range(4)))
    assert len({signer.kid for signer in signers}) == 1


async def test_a_project_signs_tokens_itself(api: Api) -> None:
    private, kid = await own_key(api)
    token = jwt.encode(claims(api), private, algorithm="EdDSA", headers={"kid": kid})
    session = await api.access.session(token)
    assert (session.external_id, session.tenant, session.kid) == ("alice", api.tenant, kid)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"aud": "another"}, "audience"),
        ({"aud": None}, "claims"),
        ({"exp": None}, "claims"),
        ({"iat": None}, "claims"),
        ({"sub": None}, "claims"),
        ({"sub": ""}, "subject"),
        ({"sub": "a\x00b"}, "subject"),
        ({"sub": 5}, "claims"),
        ({"project": "prj_another"}, "project"),
        ({"iat": time.time() + 3600, "exp": time.time() + 3900}, "not_yet_valid"),
        ({"nbf": time.time() + 3600}, "not_yet_valid"),
        ({"iat": time.time() - 600, "exp": time.time() - 1}, "expired"),
        ({"exp": time.time() + 100_000}, "lifetime"),
        ({"iat": time.time() + 20, "exp": time.time() + 10}, "claims"),
    ],
)
async def test_a_token_with_wrong_claims_is_refused_with_the_reason(api: Api, wrong: dict[str, Any], expected: str) -> None:
    private, kid = await own_key(api)
    # Through PyJWS, because PyJWT itself refuses to sign some of these.
    payload = msgspec.json.encode(claims(api, **wrong))
    token = jwt.PyJWS().encode(payload, private, algorithm="EdDSA", headers={"kid": kid})
    assert await reason(api, token) == expected


async def test_only_ed25519_is_accepted_whatever_the_token_says(api: Api) -> None:
    private, kid = await own_key(api)
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    unsigned = jwt.encode(claims(api), None, algorithm="none", headers={"kid": kid})
    symmetric = jwt.encode(claims(api), public, algorithm="HS256", headers={"kid": kid})
    assert await reason(api, unsigned) == "algorithm"
    assert await reason(api, symmetric) == "algorithm"


async def test_a_forged_or_mangled_token_is_refused(api: Api) -> None:
    _, kid = await own_key(api)
    forged = jwt.encode(claims(api), Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": kid})
    assert await reason(api, forged) == "signature"
    head, body, signature = (await api.token("alice")).split(".")
    other = base64.urlsafe_b64encode(msgspec.json.encode(claims(api, sub="bob", iss="tidings"))).rstrip(b"=").decode()
    assert await reason(api, f"{head}.{other}.{signature}") == "signature"
    assert await reason(api, f"{head}.{body}") == "malformed"
    assert await reason(api, "x" * 5000) == "malformed"


async def test_an_unknown_key_is_looked_up_once_in_a_while(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    token = jwt.encode(claims(api), Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": "pk_0000000000000000"})
    assert await reason(api, token) == "unknown_key"
    monkeypatch.setattr(api.access.kid_lookups, "get", None)
    assert await reason(api, token) == "unknown_key"
    strange = jwt.encode(claims(api), Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": "' OR 1=1"})
    assert await reason(api, strange) == "unknown_key"


async def test_a_revocation_ends_the_tokens_before_it_and_none_after(api: Api) -> None:
    elsewhere = AccessCache(api.database, api.settings)
    before = await api.token("alice")
    session = await elsewhere.session(before)
    assert (await api("POST", "/v1/subscribers/alice/tokens/revoke")).status_code == 200
    after = await api.token("alice")
    events = await api.follow(elsewhere)
    for access in (api.access, elsewhere):
        with pytest.raises(Unauthenticated, match="revoked"):
            await access.session(before)
        assert (await access.session(after)).subscriber == session.subscriber
    assert elsewhere.is_over(session)
    assert not elsewhere.is_over(await elsewhere.session(after))
    assert any(ended_by(event, session) for event in events)
    renewed = await elsewhere.session(after)
    assert not any(ended_by(event, renewed) for event in events)


async def test_revoking_the_tokens_of_nobody_is_404(api: Api) -> None:
    assert (await api("POST", "/v1/subscribers/nobody/tokens/revoke")).status_code == 404


async def test_a_revoked_public_key_ends_the_tokens_it_signed(api: Api) -> None:
    private, kid = await own_key(api)
    token = jwt.encode(claims(api), private, algorithm="EdDSA", headers={"kid": kid})
    session = await api.access.session(token)
    assert (await api("DELETE", f"/v1/public-keys/{kid}")).status_code == 204
    [event] = await api.follow()
    assert await reason(api, token) == "unknown_key"
    assert ended_by(event, session)
    assert api.access.is_over(session)
    [listed] = (await api.ok("GET", "/v1/public-keys"))["items"]
    assert listed["revoked_at"] is not None


async def test_a_deleted_subscriber_is_not_brought_back_by_an_old_token(api: Api) -> None:
    before = await api.token("alice")
    session = await api.access.session(before)
    await api.ok("DELETE", "/v1/subscribers/alice")
    events = await api.follow()
    assert any(ended_by(event, session) for event in events)
    assert await reason(api, before) == "revoked"
    assert (await api("GET", "/v1/subscribers/alice")).status_code == 404

    after = await api.token("alice")
    assert (await api.access.session(after)).subscriber != session.subscriber
    assert await reason(api, before) == "revoked"


async def test_a_public_key_is_taken_as_pem_jwk_or_base64url(api: Api) -> None:
    raw = Ed25519PrivateKey.generate().public_key()
    x = base64.urlsafe_b64encode(raw.public_bytes(Encoding.Raw, PublicFormat.Raw)).rstrip(b"=").decode()
    pem = raw.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for given in (x, pem, {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "ours", "use": "sig"}):
        assert (await api.ok("POST", "/v1/public-keys", {"name": "backend", "public_key": given}))["x"] == x


async def test_what_is_no_ed25519_public_key_is_refused(api: Api) -> None:
    private = Ed25519PrivateKey.generate()
    rsa = generate_private_key(65537, 2048).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    secret = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    x = base64.urlsafe_b64encode(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    for given in (
        rsa,
        secret,
        "x" * 50,
        "-----BEGIN PUBLIC KEY-----" + "x" * 60,
        {"kty": "OKP", "crv": "Ed25519", "x": x, "d": x},
        {"kty": "RSA"},
    ):
        answer = await api("POST", "/v1/public-keys", {"name": "backend", "public_key": given})
        assert answer.status_code == 422, given
        assert answer.json()["field"].startswith("public_key") or "kty" in answer.json()["field"]


async def test_a_repeated_request_leaves_the_token_out(api: Api) -> None:
    first = await api.ok("POST", "/v1/subscribers/alice/tokens", {"ttl": 60}, Idempotency_Key="t1")
    again = await api.ok("POST", "/v1/subscribers/alice/tokens", {"ttl": 60}, Idempotency_Key="t1")
    assert again["expires_at"] == first["expires_at"]
    assert "token" not in again
    assert "note" in again


async def test_a_token_seen_before_costs_the_database_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await api.token("alice")
    await api.access.session(token)
    monkeypatch.setattr(api.access, "database", None)
    for lookups in (api.access.kid_lookups, api.access.sign_ins, api.access.tenant_lookups):
        monkeypatch.setattr(lookups, "get", None)
    assert (await api.access.session(token)).external_id == "alice"
