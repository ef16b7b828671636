"""A flag as data, and what goes over the wire about it."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

KEY_PATTERN = r"^[A-Za-z0-9_.-]{1,100}$(?!\n)"
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,50}$(?!\n)", examples=["on"])]
Attribute = Annotated[str, Meta(min_length=1, max_length=100, examples=["plan"])]
Text = Annotated[str, Meta(max_length=500)]
Reason = Annotated[str, Meta(min_length=1, max_length=500, examples=["Orders are shown twice"])]
Scalar = bool | int | float | str | None
Comparison = Literal["<", "<=", "=", "!=", ">=", ">"]
Kind = Literal["boolean", "string", "number", "object"]

# Of an evaluation's context: whom or what it is for (OpenFeature calls it the targeting key).
TARGETING_KEY = "targetingKey"


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True, tag_field="is"):
    """About one attribute of the context. One that is missing, or of another kind, meets no condition, with `not` neither."""

    attribute: Attribute
    is_not: bool = msgspec.field(default=False, name="not")


class Equals(Condition, frozen=True, tag="equals"):
    """Numbers are compared as numbers, and true is no 1."""

    value: Scalar


class OneOf(Condition, frozen=True, tag="in"):
    values: Annotated[list[Scalar], Meta(min_length=1, max_length=1000)]


class StartsWith(Condition, frozen=True, tag="starts_with"):
    value: Annotated[Text, Meta(min_length=1)]


class EndsWith(Condition, frozen=True, tag="ends_with"):
    value: Annotated[Text, Meta(min_length=1)]


class Compared(Condition, frozen=True, tag="number"):
    op: Comparison
    value: float


class Versioned(Condition, frozen=True, tag="semver"):
    """By the precedence of Semantic Versioning 2.0: 1.0.0-rc.1 < 1.0.0 < 1.10.0. A build (`+…`) does not count."""

    op: Comparison
    value: Annotated[Text, Meta(examples=["2.1.0"])]


AnyCondition = Equals | OneOf | StartsWith | EndsWith | Compared | Versioned


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A share of the contexts for each variant, in this order.

    weights: shares, of their sum; `{"on": 10, "off": 90}` is ten percent.   by: the attribute whose equals stay together.
    seed: flags of one seed split alike; the flag's key otherwise, so that different flags split differently.
    """

    weights: Annotated[dict[Name, float], Meta(min_length=1, max_length=20, examples=[{"on": 10, "off": 90}])]
    by: Attribute = TARGETING_KEY
    seed: Annotated[str, Meta(min_length=1, max_length=100)] | None = None


# A variant's name, or a split between some.
Serve = Name | Split


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """when: all must hold.   serve: what whoever meets them gets."""

    when: Annotated[list[AnyCondition], Meta(min_length=1, max_length=20)]
    serve: Serve


def on_and_off() -> dict[str, Any]:
    return {"on": True, "off": False}


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What a flag is. Nothing said, it is a boolean that is on.

    enabled: false is the kill switch: everyone gets the variant `off`, whatever the rules say.
    variants: values of one kind, by their names.   serve: for whom no rule is met.   rules: the first one that is met counts.
    """

    enabled: bool = True
    variants: Annotated[dict[Name, Any], Meta(min_length=1, max_length=20)] = msgspec.field(default_factory=on_and_off)
    off: Name = "off"
    rules: Annotated[list[Rule], Meta(max_length=50)] = []
    serve: Serve = "on"
    description: Text | None = None


class FlagFields(Definition, frozen=True, omit_defaults=True, kw_only=True):
    """reason: why, for the history.   version: of the flag that you changed; it is a conflict when it is another by now. Nothing: the last
    change counts. 0: only when there is no such flag.
    """

    reason: Reason | None = None
    version: Annotated[int, Meta(ge=0)] | None = None


class FlagInfo(msgspec.Struct, frozen=True):
    """version: rises by one at each change.   definition: null when it was taken away.

    broken: why this version of Tidings cannot read it, as one that a newer version wrote; then there is no definition either.
    """

    key: str
    version: int
    definition: Definition | None
    changed_by: str
    reason: str | None
    changed_at: datetime
    broken: str | None = None


class FlagChange(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a flag's history. before, after: null where there was, or is, no such flag (or none that can be read)."""

    version: int
    before: Definition | None
    after: Definition | None
    changed_by: str
    reason: str | None
    changed_at: datetime


class FlagPage(msgspec.Struct, frozen=True):
    items: list[FlagInfo]
    next: str | None


class FlagHistory(msgspec.Struct, frozen=True):
    """Newest first."""

    items: list[FlagChange]
    next: str | None


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """context: attributes of whom or what it is for, `targetingKey` among them."""

    context: Annotated[dict[str, Any], Meta(max_length=100, examples=[{"targetingKey": "alice", "plan": "pro"}])] = {}


class Explained(msgspec.Struct, frozen=True, rename="camel"):
    """In the words of the OpenFeature Remote Evaluation Protocol.

    reason: STATIC (no rule), DEFAULT (none was met), TARGETING_MATCH (one was), SPLIT (by its share), DISABLED (the kill switch), ERROR.
    rule: the place of the rule that was met, from 0.   bucket: where in 0 to 100 the split put it.
    """

    key: str
    version: int
    value: Any
    variant: str | None
    reason: str
    error_code: str | None = None
    error_details: str | None = None
    rule: int | None = None
    bucket: float | None = None
