"""Sources over HTTP: what is shown, what is sealed, what is refused, what a trial says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from sources.conftest import (
    BASE_URL,
    INVOICE_PAID,
    SECRETS,
    STANDARD_SECRET,
    STRIPE_SECRET,
    Sources,
    github_headers,
    invoice,
    standard_headers,
    stripe_headers,
)
from tidings.platform.postgres import tenant_connection

HERE = "/v1/sources"
NEW_SECRET = "whsec_another-one-of-stripe"


async def test_a_source_is_made_with_the_url_where_its_service_sends(api: Sources) -> None:
    made = await api.ok("POST", HERE, {"kind": "stripe", "name": "Stripe, live", "secret": STRIPE_SECRET, "mappings": [INVOICE_PAID]})
    assert made["id"].startswith("src_")
    assert made["url"] == f"{BASE_URL}/v1/inbound/{made['id']}"
    assert (made["kind"], made["name"], made["mappings"], made["has_secret"]) == ("stripe", "Stripe, live", [INVOICE_PAID], True)
    assert made["created_by"].startswith("key:key_")
    assert await api.ok("GET", f"{HERE}/{made['id']}") == made
    assert await api.ok("GET", HERE) == {"items": [made], "next": None}


@pytest.mark.parametrize("kind", list(SECRETS))
async def test_no_answer_shows_a_secret_and_the_database_has_it_sealed(api: Sources, kind: str) -> None:
    body = {"kind": kind, "name": "x", "secret": SECRETS[kind]}
    answers = [await api("POST", HERE, body, Idempotency_Key="once"), await api("POST", HERE, body, Idempotency_Key="once")]
    assert answers[1].headers["Idempotency-Replayed"] == "true" and answers[0].json() == answers[1].json()
    source = answers[0].json()["id"]
    answers.append(await api("GET", f"{HERE}/{source}"))
    answers.append(await api("PATCH", f"{HERE}/{source}", {"name": "y"}))
    answers.append(await api("POST", f"{HERE}/{source}/secret/rotate", {"secret": SECRETS[kind]}))
    answers.append(await api("POST", f"{HERE}/{source}/secret/rotate", {"secret": "short"}))
    assert not [answer.text for answer in answers if SECRETS[kind] in answer.text]
    row = await api.database.system.fetchrow("SELECT s::text AS row, secrets FROM sources s WHERE key = $1", source)
    assert SECRETS[kind].encode() not in row["secrets"] and SECRETS[kind] not in row["row"]


async def test_a_preset_is_shown_as_mappings_and_changed_like_them(api: Sources) -> None:
    made = await api.ok("POST", HERE, {"kind": "stripe", "name": "x", "preset": "stripe_billing"})
    assert {"invoice.paid", "invoice.payment_failed", "charge.dispute.created"} <= {one["when"]["type"] for one in made["mappings"]}
    changed = made["mappings"][:1]
    changed[0]["to"] = [{"subscriber": "{{data.object.customer}}"}]
    assert (await api.ok("PATCH", f"{HERE}/{made['id']}", {"mappings": changed}))["mappings"] == changed
    for body in (
        {"kind": "github", "preset": "stripe_billing"},
        {"kind": "stripe", "preset": "stripe_billing", "mappings": [INVOICE_PAID]},
    ):
        refused = await api("POST", HERE, body | {"name": "x"})
        assert (refused.status_code, refused.json()["field"]) == (422, "preset")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "slack"}, "kind"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"secret": "short"}, "secret"),
        ({"secret": "sk_live_not_the_webhook_secret"}, "secret"),
        ({"kind": "standard_webhooks", "secret": "whsec_tooshort12345"}, "secret"),
        ({"kind": "standard_webhooks", "secret": "whsec_" + "*" * 44}, "secret"),
        ({"mappings": [INVOICE_PAID | {"title": "{{a b}}"}]}, "mappings[0].title"),
        ({"mappings": [INVOICE_PAID | {"title": ""}]}, "mappings[0].title"),
        ({"mappings": [INVOICE_PAID | {"to": []}]}, "mappings[0].to"),
        ({"mappings": [INVOICE_PAID | {"to": [{"group": "x"}]}]}, "group"),
        ({"mappings": [INVOICE_PAID | {"when": {"a b": 1}}]}, "mappings[0].when"),
        ({"mappings": [INVOICE_PAID | {"when": {"a": {"b": 1}}}]}, "mappings[0].when[]"),
        ({"mappings": [INVOICE_PAID | {"when": {"a": 2**60}}]}, "mappings[0].when[]"),
        ({"mappings": [INVOICE_PAID | {"priority": "{{x}}"}]}, "mappings[0].priority"),
        ({"mappings": [INVOICE_PAID | {"code": "1+1"}]}, "code"),
        ({"mappings": [INVOICE_PAID] * 101}, "mappings"),
        ({"preset": "everything"}, "preset"),
        ({"url": "https://x.example"}, "url"),
    ],
)
async def test_a_wrong_field_is_named(api: Sources, fields: dict[str, Any], field: str) -> None:
    answer = await api("POST", HERE, {"kind": "stripe", "name": "x"} | fields)
    assert (answer.status_code, answer.json()["field"].replace("[...]", "[]")) == (422, field), answer.text


async def test_mappings_that_are_nested_without_end_are_refused(api: Sources) -> None:
    data = b'{"a": ' + b"[" * 3000 + b"]" * 3000 + b"}"
    body = b'{"kind": "stripe", "name": "x", "mappings": [{"when": {}, "to": [{"everyone": true}], "title": "x", "data": ' + data + b"}]}"
    assert (await api("POST", HERE, body)).status_code == 400


async def test_a_patch_changes_what_it_names(api: Sources) -> None:
    source = await api.source(mappings=[INVOICE_PAID])
    assert (await api.ok("PATCH", f"{HERE}/{source}", {"name": "new"}))["mappings"] == [INVOICE_PAID]
    changed = await api.ok("PATCH", f"{HERE}/{source}", {"mappings": []})
    assert (changed["name"], changed["mappings"], changed["has_secret"]) == ("new", [], True)
    refused = await api("PATCH", f"{HERE}/{source}", {"mappings": [INVOICE_PAID | {"url": "{{"}]})
    assert (refused.status_code, refused.json()["field"]) == (422, "mappings[0].url")


async def test_a_source_without_a_secret_lets_nothing_in_until_it_has_one(api: Sources) -> None:
    source = (await api.ok("POST", HERE, {"kind": "stripe", "name": "x", "mappings": [INVOICE_PAID]}))["id"]
    body = msgspec.json.encode(invoice("evt_1"))
    assert (await api.arrives(source, body, stripe_headers(body))).status_code == 401
    assert await api.ok("POST", f"{HERE}/{source}/secret/rotate", {"secret": STRIPE_SECRET}) == {"id": source, "older_until": None}
    assert (await api.arrives(source, body, stripe_headers(body))).status_code == 200


async def test_after_a_rotation_both_secrets_count_and_later_the_new_one_alone(api: Sources) -> None:
    source = await api.source(mappings=[INVOICE_PAID])
    rotated = await api.ok("POST", f"{HERE}/{source}/secret/rotate", {"secret": NEW_SECRET, "overlap": 3600})
    ends = datetime.fromisoformat(rotated["older_until"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < ends <= timedelta(hours=1)
    assert (await api.ok("GET", f"{HERE}/{source}"))["older_until"] == rotated["older_until"]

    async def answers() -> list[int]:
        body = msgspec.json.encode(invoice())
        return [(await api.arrives(source, body, stripe_headers(body, secret))).status_code for secret in (STRIPE_SECRET, NEW_SECRET)]

    assert await answers() == [200, 200]
    async with tenant_connection(api.database, api.tenant.id) as connection:
        await connection.execute("UPDATE sources SET older_until = now() - interval '1 second' WHERE key = $1", source)
    assert await answers() == [401, 200]
    assert (await api.ok("GET", f"{HERE}/{source}"))["older_until"] is None


async def test_a_rotation_without_an_overlap_ends_the_secret_before(api: Sources) -> None:
    source = await api.source(mappings=[INVOICE_PAID])
    await api.ok("POST", f"{HERE}/{source}/secret/rotate", {"secret": NEW_SECRET, "overlap": 0})
    body = msgspec.json.encode(invoice())
    assert (await api.arrives(source, body, stripe_headers(body))).status_code == 401
    assert (await api.arrives(source, body, stripe_headers(body, NEW_SECRET))).status_code == 200


async def test_of_more_than_two_secrets_the_newest_two_count(api: Sources) -> None:
    source = await api.source("standard_webhooks", mappings=[])
    newest = STANDARD_SECRET[:-4] + "AAA="
    for secret in (STANDARD_SECRET[:-4] + "BBA=", newest):
        await api.ok("POST", f"{HERE}/{source}/secret/rotate", {"secret": secret})
    for secret, status in ((STANDARD_SECRET, 401), (STANDARD_SECRET[:-4] + "BBA=", 200), (newest, 200)):
        assert (await api.arrives(source, b"{}", standard_headers(b"{}", secret=secret))).status_code == status


async def test_a_deleted_source_is_gone_and_its_secret_too(api: Sources) -> None:
    source = await api.source(mappings=[INVOICE_PAID])
    await api.stripe(source, invoice())
    assert (await api("DELETE", f"{HERE}/{source}")).status_code == 204
    assert await api.database.system.fetchval("SELECT secrets FROM sources WHERE key = $1", source) == b""
    body = msgspec.json.encode(invoice())
    assert (await api.arrives(source, body, stripe_headers(body))).status_code == 404
    for method, path, sent in (
        ("GET", "", None),
        ("PATCH", "", {}),
        ("DELETE", "", None),
        ("GET", "/events", None),
        ("POST", "/try", {"body": {}}),
        ("POST", "/secret/rotate", {"secret": STRIPE_SECRET}),
    ):
        assert (await api(method, f"{HERE}/{source}{path}", sent)).status_code == 404, path
    assert (await api.ok("GET", HERE))["items"] == []
    assert len(await api.published()) == 1


async def test_sources_come_in_pages(api: Sources) -> None:
    made = [await api.source(name=f"source {number}") for number in range(5)]
    first = await api.ok("GET", f"{HERE}?limit=3")
    second = await api.ok("GET", f"{HERE}?limit=3&after={first['next']}")
    assert [one["id"] for one in first["items"] + second["items"]] == made
    assert second["next"] is None
    assert (await api("GET", f"{HERE}?after=nonsense")).status_code == 400


async def test_reading_and_writing_need_their_scopes(api: Sources) -> None:
    source = await api.source(mappings=[INVOICE_PAID])
    reader, writer, stranger = await api.key("sources:read"), await api.key("sources:write"), await api.key("endpoints:write")
    reads = [("GET", "", None), ("GET", f"/{source}", None), ("GET", f"/{source}/events", None), ("POST", f"/{source}/try", {"body": {}})]
    writes = [
        ("POST", "", {"kind": "stripe", "name": "x"}),
        ("PATCH", f"/{source}", {"name": "y"}),
        ("POST", f"/{source}/secret/rotate", {"secret": STRIPE_SECRET}),
        ("DELETE", f"/{source}", None),
    ]
    for allowed, denied, calls in ((reader, writer, reads), (writer, reader, writes)):
        for method, path, body in calls:
            for key in (denied, stranger):
                assert (await api(method, HERE + path, body, key=key)).status_code == 403, (method, path)
            assert (await api(method, HERE + path, body, key=allowed)).is_success, (method, path)


async def test_another_project_neither_sees_nor_changes_a_source(api: Sources, other: Sources) -> None:
    source = await api.source(mappings=[INVOICE_PAID])
    await api.stripe(source, invoice())
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/events", None),
        ("PATCH", "", {"name": "mine"}),
        ("POST", "/try", {"body": {}}),
        ("POST", "/secret/rotate", {"secret": NEW_SECRET}),
        ("DELETE", "", None),
    ):
        assert (await other(method, f"{HERE}/{source}{path}", body)).status_code == 404, path
    assert (await other.ok("GET", HERE))["items"] == []
    async with tenant_connection(other.database, other.tenant.id) as connection:
        for table in ("sources", "source_events"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert (await api.ok("GET", f"{HERE}/{source}"))["name"] == "test"
    assert await other.published() == []


async def test_a_trial_says_what_would_be_published_and_publishes_nothing(api: Sources) -> None:
    source = await api.source(mappings=[INVOICE_PAID])
    tried = await api.ok("POST", f"{HERE}/{source}/try", {"body": invoice("evt_1")})
    assert (tried["outcome"], tried["mapping"], tried["reason"]) == ("published", 0, None)
    notification = tried["notification"]
    assert (notification["to"], notification["title"], notification["body"]) == (["alice"], "Invoice A-17 paid", "49.00 EUR")
    assert await api.published() == [] and await api.history(source) == []
    assert await api.database.system.fetchval("SELECT count(*) FROM subscribers WHERE project = $1", api.tenant.id) == 0
    # It can be sent as it is.
    assert await api.stripe(source, invoice("evt_1")) == "published"


async def test_a_trial_says_why_nothing_would_be_published(api: Sources) -> None:
    source = await api.source(mappings=[INVOICE_PAID, INVOICE_PAID | {"when": {"type": "x"}, "to": [{"topic": "nowhere"}], "title": "x"}])
    for body, outcome, mapping, reason in (
        ({"type": "charge.refunded"}, "unmapped", None, ""),
        (invoice(metadata={}), "failed", 0, "no data.object.metadata.user_id"),
        ({"type": "x", "data": {"object": {"amount_paid": 1, "currency": "eur"}}}, "failed", 1, "no topic 'nowhere'"),
        ({}, "unmapped", None, ""),
    ):
        tried = await api.ok("POST", f"{HERE}/{source}/try", {"body": body})
        assert (tried["outcome"], tried["mapping"]) == (outcome, mapping)
        assert reason in (tried["reason"] or "")


async def test_a_trial_takes_the_type_from_the_headers_as_github_sends_it(api: Sources) -> None:
    source = await api.source("github", preset="github_activity")
    await api.ok("PUT", "/v1/topics/github/subscribers", {"add": ["alice"]})
    body = {
        "action": "opened",
        "issue": {"id": 1, "number": 3, "title": "Broken", "html_url": "https://github.com/octo/app/issues/3"},
        "repository": {"full_name": "octo/app"},
        "sender": {"login": "mona"},
    }
    headers = github_headers(msgspec.json.encode(body), "issues")
    tried = await api.ok("POST", f"{HERE}/{source}/try", {"body": body, "headers": headers})
    assert (tried["outcome"], tried["notification"]["title"]) == ("published", "octo/app#3 opened: Broken")
    assert (await api.ok("POST", f"{HERE}/{source}/try", {"body": body}))["outcome"] == "unmapped"
