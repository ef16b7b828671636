"""Failures to Sentry, or to what speaks its protocol: whatever is logged as an error, from every process.

What leaves is built anew from named parts: no bodies, headers, cookies, paths, queries, variables or breadcrumbs, and texts without what
looks like a credential. So a newer SDK that collects more tells no more.
"""

import socket
from collections.abc import Mapping, Sequence
from typing import Any

import sentry_sdk
from loguru import logger
from sentry_sdk.integrations.arq import ArqIntegration
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.litestar import LitestarIntegration

from tidings import __version__
from tidings.platform.logging import shortened, without_secrets
from tidings.platform.telemetry.belonging import NAMES
from tidings.settings import Settings

MOST_TEXT = 1_000
MOST_FRAMES = 60
ENDS_WITHIN_S = 2

KEPT = (
    "event_id",
    "timestamp",
    "level",
    "platform",
    "logger",
    "release",
    "environment",
    "server_name",
    "transaction",
    "fingerprint",
    "sdk",
)
# What arq's integration calls a job of a worker that was not made by `create_worker`. Ours have one kind of job each.
NAMELESS_JOB = "unknown arq task"
OF_A_FRAME = ("filename", "function", "module", "lineno", "context_line", "in_app")
OF_A_CONTEXT = {"runtime": ("name", "version"), "trace": ("trace_id", "span_id")}


def begin(settings: Settings, process: str) -> None:
    """Report this process's failures from now on. Queued and sent by a thread of the SDK's own, which drops what finds no room."""
    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        release=f"tidings@{__version__}",
        environment=settings.environment,
        server_name=socket.gethostname(),
        # Named one by one: the SDK would switch on others for whatever else is installed.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[LitestarIntegration(), ArqIntegration(), DedupeIntegration(), AtexitIntegration(callback=lambda *_: None)],
        before_send=scrubbed,
        before_send_transaction=lambda event, hint: None,
        max_breadcrumbs=0,
        include_local_variables=False,
        max_request_body_size="never",
        send_default_pii=False,
        auto_session_tracking=False,
        send_client_reports=False,
        shutdown_timeout=ENDS_WITHIN_S,
    )
    sentry_sdk.set_tag("process", process)
    logger.add(report, level="ERROR", format="{message}", diagnose=False, backtrace=False, catch=True)


def report(message: Any) -> None:
    """A line of the log, of the level ERROR or above."""
    record = message.record
    error = record["exception"]
    with sentry_sdk.new_scope() as scope:
        for name in NAMES:
            if name in record["extra"]:
                scope.set_tag(name, record["extra"][name])
        scope.set_extra("said", record["message"])
        if error is not None and error.value is not None:
            sentry_sdk.capture_exception(error.value, level=record["level"].name.lower())
        else:
            sentry_sdk.capture_event({"logger": record["name"], "message": record["message"], "level": record["level"].name.lower()})


def scrubbed(event: Mapping[str, Any], _: Any) -> Any:
    """What may leave of an event; None for one that Litestar's integration makes of whatever a handler raises.

    Most of that is answered with a problem. What is a failure is logged (`problems.py`), and that line is reported, with all names.
    """
    exceptions = event.get("exception", {}).get("values") or []
    if exceptions and exceptions[-1].get("mechanism", {}).get("type") == LitestarIntegration.identifier:
        return None
    left: dict[str, Any] = {name: event[name] for name in KEPT if event.get(name) is not None}
    left["tags"] = {name: text(value) for name, value in tags_of(event).items() if name in (*NAMES, "process")}
    if said := event.get("message") or event.get("extra", {}).get("said"):
        left["message"] = text(said)
    if request := event.get("request"):
        left["request"] = {"method": request.get("method")}
    if exceptions:
        left["exception"] = {"values": [exception_of(one) for one in exceptions]}
    if left.get("transaction") == NAMELESS_JOB:
        left["transaction"] = "job"
    if event.get("transaction_info", {}).get("source") == "url":
        # A path, of a request that failed before it had a route.
        left.pop("transaction", None)
    contexts = event.get("contexts", {})
    left["contexts"] = {name: part(contexts[name], members) for name, members in OF_A_CONTEXT.items() if name in contexts}
    return left


def tags_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    tags = event.get("tags") or {}
    return tags if isinstance(tags, Mapping) else dict(tags)


def exception_of(one: Mapping[str, Any]) -> dict[str, Any]:
    frames: Sequence[Mapping[str, Any]] = (one.get("stacktrace") or {}).get("frames") or ()
    return {
        "type": one.get("type"),
        "module": one.get("module"),
        "value": text(str(one.get("value") or "")),
        "mechanism": part(one.get("mechanism") or {}, ("type", "handled")),
        "stacktrace": {"frames": [part(frame, OF_A_FRAME) for frame in frames[-MOST_FRAMES:]]},
    }


def part(of: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: of[name] for name in names if of.get(name) is not None}


def text(value: Any) -> str:
    return shortened(without_secrets(str(value)), MOST_TEXT)
