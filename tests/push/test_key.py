"""A project's VAPID key."""

import asyncio
import base64
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
from push.browser import Browser, base64url, browser_of
from running import Project, Running

from tidings.platform.postgres import tenant_connection
from tidings.push.keys import PRIVATE_KEY
from tidings.vault import load_vault


async def test_the_key_is_made_once_by_whichever_process_is_asked_first(tidings: Running, project: Project, alice: Browser) -> None:
    there = replace(project, base_url=(await tidings.another_api()).base_url)
    elsewhere = await browser_of(there, "bob")
    answers = await asyncio.gather(*(browser.call("GET", "/v1/push/key", expect=200) for browser in [alice, elsewhere] * 4))
    assert len({answer["key"] for answer in answers}) == 1
    assert await alice.call("GET", "/v1/push/key", expect=200) == answers[0]


async def test_the_key_is_a_point_and_its_private_half_sealed(tidings: Running, project: Project, alice: Browser) -> None:
    key = (await alice.call("GET", "/v1/push/key"))["key"]
    assert len(key) == 87
    assert base64.urlsafe_b64decode(key + "=")[0] == 4

    vault = load_vault(tidings.settings)
    async with tenant_connection(tidings.database, project.id) as connection:
        sealed = await connection.fetchval("SELECT private_key FROM push_keys")
        private_key = load_der_private_key(await vault.open(connection, project.id, PRIVATE_KEY, sealed), None)
    assert isinstance(private_key, EllipticCurvePrivateKey)
    assert private_key.private_numbers().private_value.to_bytes(32, "big") not in sealed
    assert base64url(private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)) == key


async def test_each_project_has_its_own(tidings: Running, alice: Browser) -> None:
    other = await browser_of(await tidings.new_project(), "alice")
    assert await other.call("GET", "/v1/push/key") != await alice.call("GET", "/v1/push/key")


async def test_an_api_key_is_no_browser(project: Project) -> None:
    await project.call("GET", "/v1/push/key", expect=401)
