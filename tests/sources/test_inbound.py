"""Events come in: let in by their signature alone, published once, and told of afterwards."""

import asyncio
import base64
import hmac
import time
from functools import partial
from typing import Any

import asyncpg
import msgspec
import pytest
from running import Servers, until

from sources.conftest import (
    GITHUB_SECRET,
    INVOICE_PAID,
    STRIPE_SECRET,
    Sources,
    github_headers,
    invoice,
    standard_headers,
    stripe_headers,
)
from tidings.sources import inbound
from tidings.sources.history import keep_events

CATCH_ALL = {"when": {}, "to": [{"subscriber": "alice"}], "title": "Something came"}


async def test_an_event_of_stripe_becomes_a_notification(api: Sources) -> None:
    source = await api.source(mappings=[INVOICE_PAID])
    event = invoice("evt_1")
    assert await api.stripe(source, event) == "published"
    [notification] = await api.published()
    assert (notification["title"], notification["body"], notification["created_by"]) == (
        "Invoice A-17 paid",
        "49.00 EUR",
        f"source:{source}",
    )
    told = [one for one in await api.outbox() if one.type == "notification.created"]
    assert [one.notification for one in told] == [str(notification["id"])]
    alice = await api.database.system.fetchval(
        "SELECT i.subscriber FROM inbox i JOIN subscribers s ON s.id = i.subscriber WHERE i.id = $1 AND s.external_id = 'alice'",
        notification["id"],
    )
    assert told[0].recipients == [alice]
    [kept] = await api.history(source)
    assert (kept["id"], kept["type"], kept["outcome"], kept["mapping"]) == ("evt_1", "invoice.paid", "published", 0)
    assert (kept["notification"], kept["reason"]) == (str(notification["id"]), None)


async def test_an_event_of_github_is_told_by_its_headers(api: Sources) -> None:
    mapping = {
        "when": {"@event": "issues", "action": "opened"},
        "to": [{"topic": "code"}],
        "title": "{{issue.title}}",
        "data": {"id": "{{@id}}"},
    }
    source = await api.source("github", mappings=[mapping])
    await api.ok("PUT", "/v1/topics/code/subscribers", {"add": ["alice", "bob"]})
    body = msgspec.json.encode({"action": "opened", "issue": {"title": "Broken"}})
    answer = await api.arrives(source, body, github_headers(body, "issues", "72d3162e-cc78-11e3-81ab-4c9367dc0958"))
    assert (answer.status_code, answer.json()) == (200, {"outcome": "published"})
    [notification] = await api.published()
    assert (notification["title"], notification["recipients"]) == ("Broken", 2)
    assert msgspec.json.decode(notification["data"]) == {"id": "72d3162e-cc78-11e3-81ab-4c9367dc0958"}
    assert await api.github(source, "ping", {"zen": "Half measures are as bad as nothing at all."}) == "unmapped"


async def test_an_event_of_standard_webhooks_is_let_in(api: Sources) -> None:
    source = await api.source("standard_webhooks", mappings=[CATCH_ALL | {"when": {"type": "user.*"}, "title": "{{data.name}}"}])
    body = '{"type": "user.created", "timestamp": "2026-11-25T10:00:00Z", "data": {"name": "Zoë"}}'.encode()
    assert (await api.arrives(source, body, standard_headers(body))).json() == {"outcome": "published"}
    assert [one["title"] for one in await api.published()] == ["Zoë"]


async def test_everyone_in_the_project_can_be_told(api: Sources) -> None:
    await api.ok("PUT", "/v1/topics/x/subscribers", {"add": ["alice", "bob"]})
    source = await api.source(mappings=[CATCH_ALL | {"to": [{"everyone": True}]}])
    assert await api.stripe(source, invoice()) == "published"
    assert [one["recipients"] for one in await api.published()] == [2]


async def test_a_repetition_is_answered_the_same_and_publishes_nothing(api: Sources) -> None:
    source = await api.source(mappings=[INVOICE_PAID])
    event = invoice()
    assert [await api.stripe(source, event) for _ in range(3)] == ["published"] * 3
    assert len(await api.published()) == 1 and len(await api.history(source)) == 1
    # Also when the mapping would make something else of it by now, and when it failed.
    await api.ok("PATCH", f"/v1/sources/{source}", {"mappings": []})
    assert await api.stripe(source, event) == "published"
    failed = invoice(metadata=None)
    assert await api.stripe(source, failed) == "unmapped"
    await api.ok("PATCH", f"/v1/sources/{source}", {"mappings": [INVOICE_PAID]})
    assert await api.stripe(source, failed) == "unmapped"


async def test_twenty_repetitions_at_once_publish_once(api: Sources) -> None:
    source = await api.source(mappings=[INVOICE_PAID])
    event = invoice()
    assert await asyncio.gather(*(api.stripe(source, event) for _ in range(20))) == ["published"] * 20
    assert len(await api.published()) == 1
    assert await api.database.system.fetchval("SELECT count(*) FROM inbox WHERE project = $1", api.tenant.id) == 1


async def test_the_same_id_from_another_source_is_another_event(api: Sources, other: Sources) -> None:
    sources = [(api, await api.source(mappings=[INVOICE_PAID])), (api, await api.source(mappings=[INVOICE_PAID]))]
    sources.append((other, await other.source(mappings=[INVOICE_PAID])))
    for project, source in sources:
        assert await project.stripe(source, invoice("evt_same")) == "published"
    assert (len(await api.published()), len(await other.published())) == (2, 1)


async def test_a_connection_that_dies_before_the_commit_leaves_nothing_and_the_repetition_publishes(api: Sources, servers: Servers) -> None:
    source = await api.source(mappings=[INVOICE_PAID])
    event = invoice()
    body = msgspec.json.encode(event)
    async with api.database.system.acquire() as holder, holder.transaction():
        # The event is verified, claimed and addressed; its transaction waits for the outbox, the last that it writes.
        await holder.execute("LOCK TABLE outbox IN SHARE MODE")
        arriving = asyncio.create_task(api.arrives(source, body, stripe_headers(body)))
        waiting = await until(partial(who_waits_for, api, holder.get_server_pid()), what="the event waits")
        owner = await asyncpg.connect(servers.database_url)
        await owner.execute("SELECT pg_terminate_backend($1)", waiting)
        await owner.close()
        assert (await arriving).status_code == 503
    assert await api.published() == [] and await api.history(source) == []
    assert await api.database.system.fetchval("SELECT count(*) FROM subscribers WHERE project = $1", api.tenant.id) == 0
    assert await api.stripe(source, event) == "published"
    assert len(await api.published()) == 1


async def who_waits_for(api: Sources, backend: int) -> int | None:
    blocked: int | None = await api.database.system.fetchval(
        "SELECT pid FROM pg_locks WHERE NOT granted AND $1 = ANY (pg_blocking_pids(pid)) LIMIT 1", backend
    )
    return blocked


async def test_a_full_backlog_is_answered_503_and_keeps_nothing(overloaded: Sources) -> None:
    source = await overloaded.source(mappings=[INVOICE_PAID])
    body = msgspec.json.encode(invoice())
    answer = await overloaded.arrives(source, body, stripe_headers(body))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert await overloaded.history(source) == []
    # What publishes nothing need not wait.
    assert await overloaded.stripe(source, {"id": "evt_other", "type": "other"}) == "unmapped"


async def test_what_a_mapping_cannot_make_is_kept_with_its_reason(api: Sources) -> None:
    mappings = [INVOICE_PAID, CATCH_ALL | {"when": {"type": "to.nowhere"}, "to": [{"subscriber": "new"}, {"topic": "nowhere"}]}]
    source = await api.source(mappings=mappings)
    assert await api.stripe(source, {"id": "evt_1", "type": "other"}) == "unmapped"
    assert await api.stripe(source, invoice("evt_2", metadata={})) == "failed"
    assert await api.stripe(source, {"id": "evt_3", "type": "to.nowhere"}) == "failed"
    assert await api.published() == []
    assert [one.type for one in await api.outbox()] == ["key.created"]  # of the project itself
    # Nobody is made for a notification that there is not.
    assert await api.database.system.fetchval("SELECT count(*) FROM subscribers WHERE project = $1", api.tenant.id) == 0
    newest, failed, unmapped = await api.history(source)
    assert (unmapped["id"], unmapped["mapping"], unmapped["reason"]) == ("evt_1", None, None)
    assert (failed["mapping"], failed["reason"]) == (0, "The event has no data.object.metadata.user_id.")
    assert newest["mapping"] == 1 and "no topic 'nowhere'" in newest["reason"]
    assert {one["notification"] for one in (newest, failed, unmapped)} == {None}


async def test_the_events_of_a_source_come_in_pages_latest_first(api: Sources) -> None:
    source = await api.source(mappings=[])
    for number in range(5):
        await api.stripe(source, invoice(f"evt_{number}"))
    first = await api.ok("GET", f"/v1/sources/{source}/events?limit=3")
    second = await api.ok("GET", f"/v1/sources/{source}/events?limit=3&after={first['next']}")
    assert [one["id"] for one in first["items"] + second["items"]] == ["evt_4", "evt_3", "evt_2", "evt_1", "evt_0"]
    assert second["next"] is None


async def test_events_are_forgotten_after_their_time(api: Sources) -> None:
    source = await api.source(mappings=[])
    for name in ("evt_old", "evt_new"):
        await api.stripe(source, invoice(name))
    async with api.database.tenant.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('tidings.project', $1, true)", str(api.tenant.id))
        await connection.execute("UPDATE source_events SET received_at = now() - interval '31 days' WHERE event_id = 'evt_old'")
    async with api.database.system.acquire() as connection:
        await keep_events(connection, 30)
    assert [one["id"] for one in await api.history(source)] == ["evt_new"]


@pytest.mark.parametrize("late", [-330, 330])
async def test_a_request_that_was_signed_too_long_ago_or_in_the_future_is_refused(api: Sources, late: int) -> None:
    stripe, standard = await api.source(mappings=[CATCH_ALL]), await api.source("standard_webhooks", mappings=[CATCH_ALL])
    body, at = msgspec.json.encode(invoice()), int(time.time()) + late
    assert (await api.arrives(stripe, body, stripe_headers(body, at=at))).status_code == 401
    assert (await api.arrives(standard, body, standard_headers(body, at=at))).status_code == 401
    assert await api.published() == []


async def test_a_wrong_signature_is_told_nothing_more(api: Sources) -> None:
    source = await api.source(mappings=[CATCH_ALL])
    body = msgspec.json.encode(invoice())
    wrong = [{}, {"Stripe-Signature": "nonsense"}, stripe_headers(body, "whsec_wrong"), stripe_headers(body, at=1), github_headers(body)]
    wrong.append(stripe_headers(body + b" "))
    answers = [await api.arrives(source, body, headers) for headers in wrong]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert await api.history(source) == [] and await api.published() == []


async def test_an_unknown_source_costs_the_same_check_as_a_known_one(api: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    source = await api.source("github", mappings=[CATCH_ALL])
    checked: list[tuple[Any, ...]] = []
    real = inbound.is_signed

    def counted(kind: Any, secrets: Any, headers: Any, body: bytes, now: Any) -> bool:
        checked.append((kind, len(secrets), body))
        return real(kind, secrets, headers, body, now)

    monkeypatch.setattr(inbound, "is_signed", counted)
    body = b"[" * 100_000
    assert (await api.arrives(source, body, {"X-Hub-Signature-256": "sha256=00"})).status_code == 401
    assert (await api.arrives("src_0000000000000000", body, github_headers(body))).status_code == 404
    assert checked == [("github", 1, body)] * 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"id": "evt_1", "type": "\xff"}', b"payload=%7B%7D"])
async def test_a_signed_body_that_is_no_json_object_is_malformed(api: Sources, content: bytes) -> None:
    github, standard = await api.source("github", mappings=[CATCH_ALL]), await api.source("standard_webhooks", mappings=[CATCH_ALL])
    assert (await api.arrives(github, content, github_headers(content))).status_code == 400
    key = bytes(range(32))
    at = str(int(time.time()))
    signature = base64.b64encode(hmac.digest(key, f"msg_1.{at}.".encode() + content, "sha256")).decode()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": at, "webhook-signature": f"v1,{signature}"}
    assert (await api.arrives(standard, content, headers)).status_code == 400
    assert await api.published() == []


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b'{"a": 1' + b"0" * 5000 + b"}", 400),
        (b'{"a": 1e400}', 400),
        (b'{"a": "\\ud800"}', 400),
        (b'{"a": 1' + b"0" * 4000 + b"}", 200),
        (b'{"a": -1e308, "b": "\\u0000"}', 200),
        (b'{"a": ' + b'[{"b":' * 150 + b"1" + b"}]" * 150 + b"}", 200),
    ],
)
async def test_deep_json_and_huge_numbers_are_refused_or_read_but_never_a_failure_of_ours(
    api: Sources, content: bytes, status: int
) -> None:
    mapping = CATCH_ALL | {"data": {"a": "{{a}}"}}
    source = await api.source("github", mappings=[mapping])
    answer = await api.arrives(source, content, github_headers(content))
    assert answer.status_code == status, answer.text
    assert status == 400 or answer.json() == {"outcome": "published"}


async def test_numbers_beyond_what_a_text_can_hold_fail_the_mapping(api: Sources) -> None:
    source = await api.source("github", mappings=[CATCH_ALL | {"title": "{{a}}"}])
    assert await api.github(source, "x", {"a": 10**4000}) == "failed"
    assert await api.github(source, "x", {"a": 10**30}) == "published"
    assert [one["title"] for one in await api.published()] == [str(10**30)]


async def test_a_nul_in_a_text_fails_the_mapping(api: Sources) -> None:
    source = await api.source("github", mappings=[CATCH_ALL | {"title": "{{a}}"}])
    assert await api.github(source, "x", {"a": "a\x00b"}) == "failed"
    [kept] = await api.history(source)
    assert kept["reason"].startswith("title: ")


@pytest.mark.parametrize("identity", ["", "x" * 256, "two words", "a\x00b", 5, None, ["evt"]])
async def test_an_event_without_an_id_is_malformed(api: Sources, identity: Any) -> None:
    source = await api.source(mappings=[CATCH_ALL])
    body = msgspec.json.encode({"id": identity, "type": "x"})
    assert (await api.arrives(source, body, stripe_headers(body))).status_code == 400
    github = await api.source("github", mappings=[CATCH_ALL])
    headers = github_headers(body)
    del headers["X-GitHub-Delivery"]
    assert (await api.arrives(github, body, headers)).status_code == 400


async def test_a_body_of_more_than_a_mebibyte_is_too_large(api: Sources) -> None:
    source = await api.source("github", mappings=[CATCH_ALL])
    fits = b'{"a": "' + b"x" * (1024 * 1024 - 9) + b'"}'
    assert (await api.arrives(source, fits, github_headers(fits))).json() == {"outcome": "published"}
    over = fits[:-2] + b'x"}'
    assert (await api.arrives(source, over, github_headers(over))).status_code == 413


async def test_no_answer_to_the_service_tells_of_the_project(api: Sources) -> None:
    source = await api.source(mappings=[INVOICE_PAID])
    body = msgspec.json.encode(invoice(metadata={}))
    answer = await api.arrives(source, body, stripe_headers(body))
    assert answer.json() == {"outcome": "failed"}
    assert STRIPE_SECRET not in answer.text and GITHUB_SECRET not in answer.text
