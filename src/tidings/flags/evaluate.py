"""A flag's value for a context. Nothing here raises, whatever a flag or a context holds: the answer is the caller's default then."""

from bisect import bisect_right
from typing import Any, Literal

import msgspec

from tidings.flags.bucket import bucket
from tidings.flags.rules import Broken, Context, Ready, Shares, ready_or_broken
from tidings.flags.structs import Explained, FlagInfo

# As OpenFeature names them.
Why = Literal["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED", "ERROR"]
ErrorCode = Literal["FLAG_NOT_FOUND", "PARSE_ERROR", "TYPE_MISMATCH", "TARGETING_KEY_MISSING", "GENERAL"]


class Resolution(msgspec.Struct, frozen=True, gc=False):
    """rule: the place of the one that was met, from 0.   bucket: where a split put it, from 0 to 100."""

    value: Any
    variant: str | None
    reason: Why
    rule: int | None = None
    bucket: float | None = None
    error: ErrorCode | None = None
    detail: str | None = None


def evaluate(flag: Ready | Broken | None, context: Context, default: Any) -> Resolution:
    try:
        return resolve(flag, context, default)
    except Exception as error:
        # Foreseen are only values whose own methods fail, but whatever it is, the request that asked goes on.
        return failed(default, "GENERAL", f"It could not be evaluated ({type(error).__name__}).")


def resolve(flag: Ready | Broken | None, context: Context, default: Any) -> Resolution:
    if flag is None:
        return failed(default, "FLAG_NOT_FOUND", "There is no such flag.")
    if isinstance(flag, Broken):
        return failed(default, "PARSE_ERROR", flag.why)
    if not flag.enabled:
        return Resolution(flag.variants[flag.off], flag.off, "DISABLED")
    for place, rule in enumerate(flag.rules):
        if rule.is_met(context):
            return served(flag, rule.serve, "TARGETING_MATCH", place, context, default)
    return served(flag, flag.serve, "DEFAULT" if flag.rules else "STATIC", None, context, default)


def served(flag: Ready, serve: str | Shares, reason: Why, rule: int | None, context: Context, default: Any) -> Resolution:
    if isinstance(serve, str):
        return Resolution(flag.variants[serve], serve, reason, rule)
    value = context.get(serve.by)
    if value is None or isinstance(value, dict | list):
        return failed(default, "TARGETING_KEY_MISSING", f"The split needs the attribute {serve.by!r}.")
    place = bucket(serve.seed, str(value))
    # min, because sums of fractions may end a hair below 100.
    variant = serve.variants[min(bisect_right(serve.ends, place), len(serve.variants) - 1)]
    return Resolution(flag.variants[variant], variant, "SPLIT", rule, place)


def failed(default: Any, error: ErrorCode, detail: str) -> Resolution:
    return Resolution(default, None, "ERROR", error=error, detail=detail)


def explain(flag: FlagInfo, context: Context) -> Explained:
    """What it is for a context, and why. Where it has no value, that is null."""
    found = evaluate(ready_or_broken(flag.key, flag.version, flag.definition, flag.broken), context, None)
    return Explained(flag.key, flag.version, found.value, found.variant, found.reason, found.error, found.detail, found.rule, found.bucket)
