"""Which mapping is used, and what it makes of an event."""

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import pytest

from tidings.errors import Invalid
from tidings.sources.conditions import fits
from tidings.sources.mappings import Mapped, check_mappings, mapped
from tidings.sources.paths import Event
from tidings.sources.presets import PRESETS
from tidings.sources.structs import Mapping

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def mapping(**fields: Any) -> Mapping:
    return msgspec.convert({"when": {}, "to": [{"subscriber": "alice"}], "title": "Hi"} | fields, Mapping)


def result(event: dict[str, Any], *mappings: Mapping) -> Mapped:
    check_mappings(mappings)
    return mapped(mappings, Event("evt_1", event.get("type"), event), NOW)


def wanted(event: dict[str, Any], **fields: Any) -> Any:
    made = result(event, mapping(**fields))
    assert made.draft is not None, made.reason
    return made.draft.wanted


BODY = {"type": "invoice.paid", "count": 3, "ratio": 3.0, "paid": True, "none": None, "list": ["a"], "inner": {"action": "opened"}}


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({}, True),
        ({"type": "invoice.paid"}, True),
        ({"type": "invoice.*"}, True),
        ({"type": "*"}, True),
        ({"type": "invoice.paid.*"}, False),
        ({"type": "invoice"}, False),
        ({"type": ["charge.refunded", "invoice.*"]}, True),
        ({"type": []}, False),
        ({"type": "invoice.paid", "inner.action": "closed"}, False),
        ({"type": "invoice.paid", "inner.action": ["closed", "opened"]}, True),
        ({"@event": "invoice.paid", "@id": "evt_*"}, True),
        ({"list[0]": "a"}, True),
        ({"count": 3}, True),
        ({"ratio": 3}, True),
        ({"count": "3"}, False),
        ({"count": "*"}, False),
        ({"paid": True}, True),
        ({"paid": 1}, False),
        ({"count": True}, False),
        ({"none": None}, True),
        ({"missing": None}, False),
        ({"inner": None}, False),
        ({"__class__": "*"}, False),
    ],
)
def test_a_condition_holds_or_not(when: dict[str, Any], holds: bool) -> None:
    assert (
        fits(msgspec.convert({"when": when, "to": [{"everyone": True}], "title": "x"}, Mapping).when, Event("evt_1", "invoice.paid", BODY))
        is holds
    )


def test_the_first_mapping_that_fits_is_used_even_if_it_fails() -> None:
    mappings = [mapping(when={"type": "other"}), mapping(when={"type": "invoice.*"}, title="{{missing}}"), mapping(title="Any")]
    made = result(BODY, *mappings)
    assert (made.outcome, made.mapping, made.reason) == ("failed", 1, "The event has no missing.")
    made = result({"type": "charge"}, *mappings)
    assert (made.outcome, made.mapping) == ("published", 2)
    assert result({"type": "charge"}, *mappings[:2]) == Mapped("unmapped")


def test_every_part_of_a_notification_can_be_filled() -> None:
    event = {"user": "alice", "team": "core", "id": 7, "name": "Deploy", "link": "https://ci.example.com/7", "log": {"lines": [1, 2]}}
    made = wanted(
        event,
        to=[{"subscriber": "{{user}}"}, {"topic": "team-{{team}}"}, {"everyone": True}],
        title="{{name}} failed",
        body="Run {{id}}",
        url="{{link}}",
        category="ci.{{team}}",
        priority="high",
        data={"run": "{{id}}", "log": "{{log}}", "text": "{{id}}/{{name}}", "fixed": [1, None, "x"]},
        channels=["in_app", "push"],
        collapse_key="run:{{id}}",
    )
    assert msgspec.to_builtins(made) | {"strict": False} == {
        "to": ["alice", {"topic": "team-core"}, {"everyone": True}],
        "title": "Deploy failed", "body": "Run 7", "url": "https://ci.example.com/7", "category": "ci.core", "priority": "high",
        "data": {"run": 7, "log": {"lines": [1, 2]}, "text": "7/Deploy", "fixed": [1, None, "x"]},
        "channels": ["in_app", "push"], "collapse_key": "run:7", "expires_at": None, "transient": False, "strict": False,
    }  # fmt: skip


def test_a_title_and_a_body_that_are_too_long_are_cut() -> None:
    made = wanted({"text": "é" * 9000}, title="{{text}}", body="{{text}}")
    assert (len(made.title), len(made.body), made.title[-1]) == (200, 4000, "…")


@pytest.mark.parametrize(
    ("event", "fields", "reason"),
    [
        ({"user": "a/b"}, {"to": [{"subscriber": "{{user}}"}]}, "to[0]: "),
        ({"user": ""}, {"to": [{"subscriber": "{{user}}"}]}, "to[0]: "),
        ({"user": "x" * 256}, {"to": [{"subscriber": "{{user}}"}]}, "to[0]: "),
        ({"user": ["a"]}, {"to": [{"subscriber": "{{user}}"}]}, "an array"),
        ({"t": ""}, {"title": "{{t}}"}, "title: "),
        ({"t": "a\x00b"}, {"title": "{{t}}"}, "title: "),
        ({"u": "javascript:alert(1)"}, {"url": "{{u}}"}, "url: "),
        ({"u": "https://a b"}, {"url": "{{u}}"}, "url: "),
        ({"u": "https://[::1/"}, {"url": "{{u}}"}, "url: "),
        ({"c": "two words"}, {"category": "{{c}}"}, "category: "),
        ({"c": "x" * 256}, {"collapse_key": "{{c}}"}, "collapse_key: "),
        ({"d": "x" * 17_000}, {"data": {"d": "{{d}}"}}, "data: "),
        ({"d": 10**3000}, {"title": "{{d}}"}, "digits"),
    ],
)
def test_what_no_notification_can_hold_is_a_failure_with_its_reason(event: dict[str, Any], fields: dict[str, Any], reason: str) -> None:
    made = result(event, mapping(**fields))
    assert (made.outcome, made.draft) == ("failed", None)
    assert reason in str(made.reason)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"title": "{{a b}}"}, "mappings[0].title"),
        ({"body": "{{x|eval}}"}, "mappings[0].body"),
        ({"to": [{"everyone": True}, {}]}, "mappings[0].to[1]"),
        ({"to": [{"subscriber": "a", "topic": "b"}]}, "mappings[0].to[0]"),
        ({"to": [{"subscriber": "{{"}]}, "mappings[0].to[0]"),
        ({"url": "https://{{host}}/x"}, "mappings[0].url"),
        ({"url": "https://shop.example.com{{path}}"}, "mappings[0].url"),
        ({"url": "//{{host}}/x"}, "mappings[0].url"),
        ({"url": "java{{x}}"}, "mappings[0].url"),
        ({"data": {"a": [{"b": "{{"}]}}, "mappings[0].data.a[0].b"),
        ({"data": {"a": [[[[[[[[[[["x"]]]]]]]]]]]}}, "mappings[0].data.a" + "[0]" * 9),
        ({"collapse_key": "a\x00"}, "mappings[0].collapse_key"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_by_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_mappings([mapping(**fields)])
    assert refused.value.field == field


def test_a_url_may_be_built_after_its_host() -> None:
    assert wanted({"id": "a/b"}, url="https://shop.example.com/orders/{{id}}").url == "https://shop.example.com/orders/a%2Fb"
    assert wanted({"id": "/evil.example"}, url="/{{id}}").url == "/%2Fevil.example"


INVOICE = {
    "id": "in_1",
    "number": "A-17",
    "amount_paid": 4900,
    "amount_due": 700,
    "currency": "eur",
    "hosted_invoice_url": "https://i.example/1",
}
DISPUTE = {"id": "dp_1", "amount": 1000, "currency": "usd", "reason": "fraudulent", "charge": "ch_1"}
SUBSCRIPTION = {"id": "sub_1", "customer": "cus_1"}
STRIPE_EVENTS = [
    ("invoice.paid", INVOICE, "Invoice A-17 paid", "A customer paid 49.00 EUR."),
    ("invoice.payment_failed", INVOICE | {"customer_name": "Acme"}, "Payment of invoice A-17 failed", "Acme owes 7.00 EUR."),
    ("charge.dispute.created", DISPUTE, "A charge of 10.00 USD is disputed", "Reason: fraudulent. Charge: ch_1."),
    ("charge.refunded", {"id": "ch_1", "amount_refunded": 500, "currency": "jpy"}, "500 JPY refunded", "Charge: ch_1."),
    ("customer.subscription.created", SUBSCRIPTION, "A subscription began", "Customer: cus_1."),
    ("customer.subscription.deleted", SUBSCRIPTION, "A subscription ended", "Customer: cus_1."),
    ("customer.subscription.trial_will_end", SUBSCRIPTION, "A trial ends in three days", "Customer: cus_1."),
    (
        "payout.failed",
        {"amount": 100, "currency": "eur", "failure_message": None},
        "A payout of 1.00 EUR failed",
        "Stripe gives no reason.",
    ),
]
REPOSITORY = {"repository": {"full_name": "octo/app"}, "sender": {"login": "mona"}}
PULL = {"number": 4, "pull_request": {"id": 99, "title": "Mend it", "html_url": "https://github.com/octo/app/pull/4", "merged": False}}
MERGED = PULL | {"pull_request": PULL["pull_request"] | {"merged": True}}  # type: ignore[operator]
ISSUE = {"issue": {"id": 98, "number": 3, "title": "Broken", "html_url": "https://github.com/octo/app/issues/3"}}
PUSH = {"ref": "refs/heads/main", "deleted": False, "pusher": {"name": "mona"}, "compare": "https://github.com/octo/app/compare/a...b"}
RUN = {
    "workflow_run": {"name": "CI", "head_branch": "main", "conclusion": "failure", "html_url": "https://github.com/octo/app/actions/runs/1"}
}
STATUS = {"state": "error", "context": "ci/other", "description": None, "commit": {"html_url": "https://github.com/octo/app/commit/a"}}
RELEASE = {"release": {"tag_name": "v2", "body": None, "html_url": "https://github.com/octo/app/releases/v2"}}
GITHUB_EVENTS = [
    ("pull_request", PULL | {"action": "opened"}, "octo/app#4 opened: Mend it", "By mona."),
    ("pull_request", PULL | {"action": "closed"}, "octo/app#4 closed: Mend it", "By mona."),
    ("pull_request", MERGED | {"action": "closed"}, "octo/app#4 merged: Mend it", "By mona."),
    ("pull_request", PULL | {"action": "labeled"}, None, None),
    ("issues", ISSUE | {"action": "opened"}, "octo/app#3 opened: Broken", "By mona."),
    ("push", PUSH | {"head_commit": {"message": "Mend"}}, "mona pushed to refs/heads/main of octo/app", "Mend"),
    ("push", PUSH | {"head_commit": None, "deleted": True}, None, None),
    ("push", PUSH | {"ref": "refs/heads/side", "head_commit": None}, None, None),
    ("workflow_run", RUN | {"action": "completed"}, "CI failed on main of octo/app", None),
    ("workflow_run", {"workflow_run": {"conclusion": "success"}, "action": "completed"}, None, None),
    ("status", STATUS, "ci/other failed for octo/app", "No description."),
    ("release", RELEASE | {"action": "published"}, "octo/app v2 released", ""),
    ("ping", {"zen": "Keep it logically awesome."}, None, None),
]


@pytest.mark.parametrize(
    ("preset", "event", "title", "text"),
    [("stripe_billing", Event("evt_1", kind, {"type": kind, "data": {"object": data}}), *texts) for kind, data, *texts in STRIPE_EVENTS]
    + [("github_activity", Event("1", kind, REPOSITORY | data), *texts) for kind, data, *texts in GITHUB_EVENTS],
)
def test_a_preset_makes_what_it_says(
    preset: Literal["stripe_billing", "github_activity"], event: Event, title: str | None, text: str | None
) -> None:
    mappings = PRESETS[preset][1]
    check_mappings(mappings)
    made = mapped(mappings, event, NOW)
    if title is None:
        assert made == Mapped("unmapped")
    else:
        assert made.draft is not None, made.reason
        assert (made.draft.wanted.title, made.draft.wanted.body) == (title, text)
