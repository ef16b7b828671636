"""Tokens are read in a short way when they are plain; the long way, PyJWT, must say the same of every one of them."""

import base64
import time
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.access import tokens
from tidings.access.principals import Tenant
from tidings.access.tokens import VerifyingKey, kid_of, verify
from tidings.errors import Unauthenticated

KID = "sk_0123456789abcdef"
PRIVATE, STRANGER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
OURS = VerifyingKey(KID, PRIVATE.public_key(), None)
THEIRS = VerifyingKey(KID, PRIVATE.public_key(), Tenant(1, "prj_1", 0))


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token_of(header: bytes, payload: bytes, private: Ed25519PrivateKey, length: int) -> str:
    signed = f"{encoded(header)}.{encoded(payload)}"
    return f"{signed}.{encoded(private.sign(signed.encode())[:length])}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2)
)
RIGHT_HEADER = st.sampled_from(
    [{"alg": "EdDSA", "kid": KID}, {"alg": "EdDSA", "kid": KID, "typ": "JWT"}, {"typ": "x", "kid": "pk_zzzzzzzzzzzzzzzz", "alg": "EdDSA"}]
)
HEADERS = RIGHT_HEADER | st.fixed_dictionaries(
    {"alg": st.sampled_from(["EdDSA", "none", "HS256", ""]) | JSON},
    optional={
        "kid": st.sampled_from([KID, "sk_x", ""]) | JSON,
        "typ": JSON,
        "crit": st.just(["b64"]) | JSON,
        "b64": st.booleans(),
        "jwk": st.just({"kty": "OKP"}),
    },
)
CLAIMS: Any = st.fixed_dictionaries(
    {
        "aud": st.sampled_from(["tidings", ["x", "tidings"], "x"]) | JSON,
        "project": st.sampled_from(["prj_1", "prj_2"]),
        "sub": st.sampled_from(["alice", "", "a\x00", "é"]),
        "iat": st.just(time.time()) | JSON,
        "exp": st.just(time.time() + 600) | JSON,
    },
    optional={"iss": st.sampled_from(["tidings", "x"]) | JSON, "nbf": JSON, "more": JSON},
)


def written(value: Any) -> bytes:
    return msgspec.json.encode(value)


RAW = (
    st.binary(max_size=12)
    | st.sampled_from([b"{}", b"[]", b"null", b'{"alg":"EdDSA","alg":"none"}'])
    | st.sampled_from([b'{"alg":"none","alg":"EdDSA","kid":"%s"}' % KID.encode(), b'\xef\xbb\xbf{"alg":"EdDSA","kid":"%s"}' % KID.encode()])
)
TOKENS = st.builds(
    token_of,
    HEADERS.map(written) | HEADERS.map(lambda header: written(header).decode().encode("utf-16")) | RAW,
    CLAIMS.map(written) | RAW,
    st.sampled_from([PRIVATE, PRIVATE, PRIVATE, STRANGER]),
    st.sampled_from([64, 64, 64, 63, 0]),
)
CHARACTERS = st.sampled_from([*"AQZaz09-_.=+/ \n%é\ud800"])


@st.composite
def damaged(draw: Any) -> str:
    token: str = draw(TOKENS)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(token)) | st.sampled_from([len(token), token.find("."), token.rfind(".")]))
        token = token[:at] + draw(CHARACTERS | st.just("")) + token[at + draw(st.integers(0, 1)) :]
    return token


def said(work: Any) -> Any:
    try:
        return work()
    except Unauthenticated as refused:
        return refused.extra["reason"], refused.detail


def verify_the_long_way(token: str, key: VerifyingKey) -> Any:
    short, tokens.plain_parts = tokens.plain_parts, lambda token: None
    try:
        return verify(token, key)
    finally:
        tokens.plain_parts = short


@settings(max_examples=300)
@given(damaged(), st.sampled_from([OURS, THEIRS]))
def test_both_ways_say_the_same_of_any_token(token: str, key: VerifyingKey) -> None:
    assert said(lambda: kid_of(token)) == said(lambda: tokens.kid_of_any(token))
    assert said(lambda: verify(token, key)) == said(lambda: verify_the_long_way(token, key))


def test_an_ordinary_token_goes_the_short_way() -> None:
    token, _ = tokens.mint(tokens.Signer(KID, PRIVATE), Tenant(1, "prj_1", 0), "alice", 600, 0.0)
    parts = tokens.plain_parts(token)
    assert parts is not None
    assert parts.kid == KID
    assert verify(token, OURS).sub == "alice"
