"""Ready-made mappings for what many want to know. They go to a topic, `billing` or `github`; whoever wants others changes `to`.

Members are those of docs.stripe.com/api/events/types and docs.github.com/webhooks/webhook-events-and-payloads.
"""

from collections.abc import Mapping as Map
from collections.abc import Sequence
from typing import Any

import msgspec

from tidings.errors import Invalid
from tidings.sources.structs import Kind, Mapping, Preset


def about_billing(event: str, title: str, **more: Any) -> dict[str, Any]:
    return {"when": {"type": event}, "to": [{"topic": "billing"}], "category": "billing", "title": title} | more


def about_code(event: str, title: str, when: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"when": {"@event": event} | when, "to": [{"topic": "github"}], "category": "github", "title": title} | more


CUSTOMER = '{{data.object.customer_name|default:"A customer"}}'
INVOICE = {"url": "{{data.object.hosted_invoice_url}}", "collapse_key": "invoice:{{data.object.id}}"}
STRIPE_BILLING = [
    about_billing(
        "invoice.paid",
        'Invoice {{data.object.number|default:"without a number"}} paid',
        body=f"{CUSTOMER} paid {{{{data.object.amount_paid|money:data.object.currency}}}}.",
        **INVOICE,
    ),
    about_billing(
        "invoice.payment_failed",
        'Payment of invoice {{data.object.number|default:"without a number"}} failed',
        body=f"{CUSTOMER} owes {{{{data.object.amount_due|money:data.object.currency}}}}.",
        priority="high",
        **INVOICE,
    ),
    about_billing(
        "charge.dispute.created",
        "A charge of {{data.object.amount|money:data.object.currency}} is disputed",
        body="Reason: {{data.object.reason}}. Charge: {{data.object.charge}}.",
        priority="high",
    ),
    about_billing(
        "charge.refunded",
        "{{data.object.amount_refunded|money:data.object.currency}} refunded",
        body="Charge: {{data.object.id}}.",
    ),
    about_billing("customer.subscription.created", "A subscription began", body="Customer: {{data.object.customer}}."),
    about_billing("customer.subscription.deleted", "A subscription ended", body="Customer: {{data.object.customer}}."),
    about_billing("customer.subscription.trial_will_end", "A trial ends in three days", body="Customer: {{data.object.customer}}."),
    about_billing(
        "payout.failed",
        "A payout of {{data.object.amount|money:data.object.currency}} failed",
        body='{{data.object.failure_message|default:"Stripe gives no reason."}}',
        priority="critical",
    ),
]

PULL_REQUEST = {"url": "{{pull_request.html_url}}", "collapse_key": "pull:{{pull_request.id}}"}
ISSUE = {"url": "{{issue.html_url}}", "collapse_key": "issue:{{issue.id}}"}
FAILED = ["failure", "timed_out", "startup_failure"]
GITHUB_ACTIVITY = [
    about_code(
        "pull_request",
        "{{repository.full_name}}#{{number}} merged: {{pull_request.title}}",
        {"action": "closed", "pull_request.merged": True},
        body="By {{sender.login}}.",
        **PULL_REQUEST,
    ),
    about_code(
        "pull_request",
        "{{repository.full_name}}#{{number}} {{action}}: {{pull_request.title}}",
        {"action": ["opened", "reopened", "closed", "ready_for_review"]},
        body="By {{sender.login}}.",
        **PULL_REQUEST,
    ),
    about_code(
        "issues",
        "{{repository.full_name}}#{{issue.number}} {{action}}: {{issue.title}}",
        {"action": ["opened", "reopened", "closed"]},
        body="By {{sender.login}}.",
        **ISSUE,
    ),
    about_code(
        "push",
        "{{pusher.name}} pushed to {{ref}} of {{repository.full_name}}",
        {"ref": ["refs/heads/main", "refs/heads/master"], "deleted": False},
        body='{{head_commit.message|truncate:300|default:"No commits."}}',
        url="{{compare}}",
    ),
    about_code(
        "workflow_run",
        "{{workflow_run.name}} failed on {{workflow_run.head_branch}} of {{repository.full_name}}",
        {"action": "completed", "workflow_run.conclusion": FAILED},
        url="{{workflow_run.html_url}}",
        priority="high",
    ),
    # What other services than GitHub Actions report.
    about_code(
        "status",
        "{{context}} failed for {{repository.full_name}}",
        {"state": ["failure", "error"]},
        body='{{description|default:"No description."}}',
        url="{{commit.html_url}}",
        priority="high",
    ),
    about_code(
        "release",
        "{{repository.full_name}} {{release.tag_name}} released",
        {"action": "published"},
        body='{{release.body|truncate:1000|default:""}}',
        url="{{release.html_url}}",
    ),
]

PRESETS: Map[Preset, tuple[Kind, Sequence[Mapping]]] = {
    "stripe_billing": ("stripe", msgspec.convert(STRIPE_BILLING, list[Mapping])),
    "github_activity": ("github", msgspec.convert(GITHUB_ACTIVITY, list[Mapping])),
}


def preset_for(kind: Kind, preset: Preset) -> Sequence[Mapping]:
    """Raises Invalid when it is for another kind of source."""
    of, mappings = PRESETS[preset]
    if of != kind:
        raise Invalid(f"{preset} is for sources of the kind {of}.", field="preset")
    return mappings
