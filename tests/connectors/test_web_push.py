"""Web push, against a push service whose browsers decrypt what comes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from own_database import SHARDS

from connectors.far_end import NOTIFICATION_ID, PUBLIC, FarEnd, claimed, destination, far_end, is_in, reaching
from connectors.push_service import Browser, PushService, base64url, from_base64url
from tidings.access.projects import create_project
from tidings.deliveries.connectors.connector import Reach
from tidings.deliveries.connectors.web_push.connector import WebPush, WebPushConfig, WebPushCredentials
from tidings.deliveries.connectors.web_push.encryption import encrypt, encrypt_with
from tidings.deliveries.connectors.web_push.vapid import KEPT, LIVES, Authorizations, For
from tidings.deliveries.ledger.outcome import Outcome
from tidings.errors import Invalid
from tidings.outbound.client import Outbound
from tidings.platform.postgres import Database, tenant_transaction
from tidings.platform.secrets import load_secret
from tidings.push.keys import ensure_public_key
from tidings.settings import Settings
from tidings.vault import Vault, load_vault

ALICE, BOB = 101, 102
CONTACT = "mailto:ops@example.com"
INSERT = """
INSERT INTO push_subscriptions (project, id, subscriber, endpoint, p256dh, auth, expires_at, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, now(), now())
"""


@dataclass
class Ground:
    """A project, its key, and the push service of its people's browsers."""

    project: int
    reach: Reach
    far_end: FarEnd
    service: PushService
    connector: WebPush

    async def browser(self, name: str, *, of: int = ALICE, status: int = 201, expires_at: datetime | None = None, **answer: str) -> Browser:
        browser = Browser(name, status, {header.replace("_", "-"): value for header, value in answer.items()})
        self.service.browsers[f"/push/{name}"] = browser
        await self.subscribe(name, f"{self.service.url}/push/{name}", browser, of, expires_at)
        return browser

    async def subscribe(self, name: str, endpoint: str, browser: Browser, of: int = ALICE, expires_at: datetime | None = None) -> None:
        values = (self.project, f"psh_{name}", of, endpoint, browser.p256dh, browser.auth, expires_at)
        await self.reach.pool.execute(INSERT, *values)

    async def subscribed(self) -> list[str]:
        rows = await self.reach.pool.fetch("SELECT id FROM push_subscriptions WHERE project = $1 ORDER BY id", self.project)
        return [row["id"].removeprefix("psh_") for row in rows]

    async def send(self, config: dict[str, Any] | None = None, to: int | None = ALICE, **notification: Any) -> Outcome:
        there = destination("web_push", {"contact": CONTACT} | (config or {}), {}, self.project)
        delivery = claimed(to={"subscriber": to}, project=self.project, **notification)
        [outcome] = await self.connector.send(self.reach, there, [delivery])
        return outcome


@pytest.fixture(scope="module")
async def outbound() -> AsyncIterator[Outbound]:
    async with reaching() as reach:
        yield reach.outbound


@pytest.fixture(scope="module")
def vault(state_dir: Path) -> Vault:
    settings = Settings(state_dir=state_dir)
    load_secret(settings)
    return load_vault(settings)


async def new_project(database: Database) -> int:
    tenant, _ = await create_project(database, "test", SHARDS)
    return tenant.id


@pytest.fixture
async def ground(database: Database, outbound: Outbound, vault: Vault) -> AsyncIterator[Ground]:
    project = await new_project(database)
    async with tenant_transaction(database, project) as connection:
        service = PushService(await ensure_public_key(connection, vault, project))
    async with far_end(service.judge) as there:
        service.url = there.url
        yield Ground(project, Reach(outbound, database.system, vault, "https://tidings.example.com"), there, service, WebPush())


def test_encryption_is_as_in_rfc_8291_appendix_a() -> None:
    own = derive_private_key(int.from_bytes(from_base64url("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big"), SECP256R1())
    browser = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
    salt, auth = from_base64url("DGv6ra1nlYgDCS1FRnbzlw"), from_base64url("BTBZMqHH6r4Tts7J_aSIgg")
    encrypted = encrypt_with(own, salt, b"When I grow up, I want to be a watermelon", from_base64url(browser), auth)
    assert base64url(encrypted) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"
        "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_no_two_messages_share_a_key_or_a_salt() -> None:
    browser = Browser("one")
    first, second = (encrypt(b"x", browser.p256dh, browser.auth) for _ in range(2))
    assert first[:16] != second[:16]
    assert first[21:86] != second[21:86]


async def test_every_browser_of_the_person_shows_it(ground: Ground) -> None:
    phone, laptop, theirs = await ground.browser("phone"), await ground.browser("laptop"), await ground.browser("theirs", of=BOB)
    outcome = await ground.send(title="Ready", body="Grüße 👋🏽", url="/exports/17")
    assert (outcome.kind, outcome.status, outcome.detail) == ("delivered", 201, "Taken for 2 of 2 browsers.")
    assert phone.shown == laptop.shown == [{"id": NOTIFICATION_ID, "title": "Ready", "body": "Grüße 👋🏽", "url": "/exports/17"}]
    assert theirs.shown == []


async def test_without_body_and_url_they_are_null(ground: Ground) -> None:
    phone = await ground.browser("phone")
    assert (await ground.send(body=" ")).kind == "delivered"
    assert phone.shown == [{"id": NOTIFICATION_ID, "title": "Your export is ready", "body": None, "url": None}]


async def test_icon_and_language_are_the_integrations(ground: Ground) -> None:
    phone = await ground.browser("phone")
    assert (await ground.send({"icon": "/icon.png", "lang": "ar", "dir": "rtl"})).kind == "delivered"
    assert {name: phone.shown[0][name] for name in ("icon", "lang", "dir")} == {"icon": "/icon.png", "lang": "ar", "dir": "rtl"}


@pytest.mark.parametrize(("priority", "urgency"), [("low", "low"), ("normal", "normal"), ("high", "high"), ("critical", "high")])
async def test_urgency_is_the_priority(ground: Ground, priority: str, urgency: str) -> None:
    await ground.browser("phone")
    assert (await ground.send(priority=priority)).kind == "delivered"
    assert ground.far_end.got[0].headers["urgency"] == urgency


async def test_it_is_kept_until_it_expires_and_four_weeks_at_most(ground: Ground) -> None:
    await ground.browser("phone")
    await ground.send()
    await ground.send(expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    await ground.send(expires_at=(datetime.now(UTC) + timedelta(days=365)).isoformat())
    always, hour, year = (int(got.headers["ttl"]) for got in ground.far_end.got)
    assert (always, year) == (2_419_200, 2_419_200)
    assert 3000 < hour <= 3600
    assert (await ground.send(expires_at="2020-01-01T00:00:00Z")).reason == "expired"


async def test_a_collapse_key_of_any_length_is_a_topic(ground: Ground) -> None:
    await ground.browser("phone")
    keys = ["build", "build", "ü" * 255, None]
    assert [(await ground.send(collapse_key=key)).kind for key in keys] == ["delivered"] * 4
    first, again, long, none = (got.headers.get("topic") for got in ground.far_end.got)
    assert first == again != long
    assert none is None


@pytest.mark.parametrize("sign", ["x", "👋", "ü", '"', "\x01"])
async def test_a_body_too_long_for_push_services_is_cut(ground: Ground, sign: str) -> None:
    phone = await ground.browser("phone")
    assert (await ground.send(title="t" * 200, body=sign * 4000, url="/" + "y" * 1999)).kind == "delivered"
    [shown] = phone.shown
    assert shown["body"].endswith("…")
    assert set(shown["body"]) == {sign, "…"}
    assert shown["url"] == "/" + "y" * 1999
    assert 4090 - 6 <= len(ground.far_end.got[0].body) <= 4096


async def test_a_url_too_long_for_push_services_is_left_out(ground: Ground) -> None:
    phone = await ground.browser("phone")
    assert (await ground.send(body="b", url="/" + "ü" * 1999)).kind == "delivered"
    assert (phone.shown[0]["body"], phone.shown[0]["url"]) == (None, None)


@pytest.mark.parametrize("status", [404, 410])
async def test_a_browser_that_is_gone_is_forgotten(ground: Ground, status: int) -> None:
    await ground.browser("gone", status=status)
    phone, theirs = await ground.browser("phone"), await ground.browser("theirs", of=BOB, status=status)
    outcome = await ground.send()
    assert (outcome.kind, outcome.detail, outcome.is_gone) == ("delivered", "Taken for 1 of 2 browsers.", False)
    assert await ground.subscribed() == ["phone", "theirs"]
    assert len(phone.shown) == 1
    assert theirs.shown == []


async def test_when_none_is_left_it_is_refused_and_the_integration_stays(ground: Ground) -> None:
    await ground.browser("gone", status=410)
    for _ in range(2):
        outcome = await ground.send()
        assert (outcome.kind, outcome.reason, outcome.is_gone) == ("refused", "no_subscription", False)
    assert (await ground.subscribed(), len(ground.far_end.got)) == ([], 1)


async def test_an_expired_subscription_and_a_person_who_is_gone_get_nothing(ground: Ground) -> None:
    await ground.browser("old", expires_at=datetime.now(UTC) - timedelta(days=1))
    assert (await ground.send()).reason == "no_subscription"
    assert (await ground.send(to=None)).reason == "no_subscription"
    assert ground.far_end.got == []


async def test_what_may_pass_is_tried_again_after_the_longest_wait_of_those_with_too_much_to_do(ground: Ground) -> None:
    await ground.browser("busier", status=429, Retry_After="600")
    await ground.browser("busy", status=429, Retry_After="120")
    await ground.browser("broken", status=500, Retry_After="900")
    await ground.browser("large", status=413)
    await ground.browser("gone", status=410)
    outcome = await ground.send()
    assert (outcome.kind, outcome.status, outcome.slow_down) == ("retry", 429, True)
    assert is_in(outcome, 600)
    assert await ground.subscribed() == ["broken", "busier", "busy", "large"]


async def test_one_browser_that_got_it_is_enough(ground: Ground) -> None:
    await ground.browser("busy", status=429, Retry_After="120")
    await ground.browser("phone")
    outcome = await ground.send()
    assert (outcome.kind, outcome.slow_down, outcome.retry_after) == ("delivered", False, None)


@pytest.mark.parametrize(
    ("status", "kind", "reason", "slow_down"),
    [
        (200, "delivered", "http_200", False),
        (202, "delivered", "http_202", False),
        (400, "refused", "http_400", False),
        (401, "retry", "unauthorized", False),
        (403, "retry", "unauthorized", False),
        (406, "retry", "http_406", False),
        (413, "refused", "http_413", False),
        (500, "retry", "http_500", False),
        (503, "retry", "http_503", True),
    ],
)
async def test_what_a_push_services_answers_mean(ground: Ground, status: int, kind: str, reason: str, slow_down: bool) -> None:
    await ground.browser("phone", status=status)
    outcome = await ground.send()
    assert (outcome.kind, outcome.reason, outcome.slow_down) == (kind, reason, slow_down)
    assert await ground.subscribed() == ["phone"]
    assert "/push/" not in outcome.detail


async def test_what_may_have_arrived_is_sent_again_since_its_id_is_its_tag(ground: Ground) -> None:
    await ground.browser("phone")
    ground.far_end.is_silent = True
    assert (await ground.send()).kind == "retry"
    assert WebPush.repeats


async def test_a_push_service_where_nothing_is_sent_to_does_not_concern_the_others(ground: Ground) -> None:
    await ground.subscribe("inner", "https://10.0.0.1/push", Browser("inner"))
    assert ((await ground.send()).kind, (await ground.send()).reason) == ("refused", "blocked")
    await ground.browser("phone")
    assert (await ground.send()).kind == "delivered"


async def test_a_push_service_is_shown_one_token_for_a_while(ground: Ground) -> None:
    await ground.browser("phone")
    await ground.browser("laptop")
    await ground.send()
    await ground.send()
    assert len(ground.far_end.got) == 4
    assert len({got.headers["authorization"] for got in ground.far_end.got}) == 1


async def test_after_that_it_is_another_long_before_the_first_ends(ground: Ground) -> None:
    kept, whom, now = Authorizations(), For(ground.project, "https://push.example.net", CONTACT), datetime.now(UTC)
    pool, vault = ground.reach.pool, ground.reach.vault
    first = await kept.of(pool, vault, whom, now)
    assert await kept.of(pool, vault, whom, now + KEPT - timedelta(seconds=1)) == first
    assert await kept.of(pool, vault, whom, now + KEPT) != first
    assert await kept.of(pool, vault, whom._replace(audience="https://push.example.org"), now) != first
    assert KEPT < LIVES <= timedelta(hours=24)


async def test_each_project_shows_its_own_key(ground: Ground, database: Database) -> None:
    other = await new_project(database)
    kept, now = Authorizations(), datetime.now(UTC)
    pool, vault = ground.reach.pool, ground.reach.vault
    whom = For(ground.project, "https://push.example.net", CONTACT)
    assert await kept.of(pool, vault, whom, now) is not None
    assert await kept.of(pool, vault, whom._replace(project=other), now) is None


async def test_without_the_projects_key_nothing_is_sent(ground: Ground, database: Database) -> None:
    ground.project = await new_project(database)
    await ground.browser("phone")
    outcome = await ground.send()
    assert (outcome.kind, outcome.reason, ground.far_end.got) == ("refused", "no_key", [])


@pytest.mark.parametrize("contact", ["mailto:ops@example.com", "https://example.com/contact"])
def test_contacts(contact: str) -> None:
    WebPush().check(WebPushConfig(contact=contact), WebPushCredentials(), PUBLIC)


@pytest.mark.parametrize(
    "contact", ["", "ops@example.com", "mailto:ops", "mailto:ops@localhost", "mailto:<ops@example.com>", "http://example.com", "https://"]
)
def test_what_is_no_contact_is_refused_by_its_field(contact: str) -> None:
    with pytest.raises(Invalid) as caught:
        WebPush().check(WebPushConfig(contact=contact), WebPushCredentials(), PUBLIC)
    assert caught.value.field == "config.contact"
