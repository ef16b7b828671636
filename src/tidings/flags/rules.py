"""A definition made ready to be asked, and what is wrong with one that does not fit together.

Rules become closures once, when a flag is read, so that asking costs a few calls.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, assert_never

import msgspec

from tidings.errors import Invalid
from tidings.flags.semver import precedence
from tidings.flags.structs import (
    AnyCondition,
    Compared,
    Comparison,
    Definition,
    EndsWith,
    Equals,
    Kind,
    OneOf,
    Scalar,
    Serve,
    Split,
    StartsWith,
    Versioned,
)

Context = Mapping[str, Any]
Test = Callable[[Any], bool]
# What a value is found to be; None for one of another kind, which meets a condition as little as its opposite.
Judge = Callable[[Any], bool | None]
Compare = Callable[[Any, Any], bool]

MOST_BYTES = 64 * 1024
MOST_WEIGHT = 1_000_000
SCALARS = (bool, int, float, str, type(None))
# true is none.
NUMBERS = (int, float)
COMPARE: Mapping[Comparison, Compare] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}


class Shares(msgspec.Struct, frozen=True):
    """ends: where each variant's share of 0 to 100 ends."""

    by: str
    seed: str
    variants: Sequence[str]
    ends: Sequence[float]


class ReadyRule(msgspec.Struct, frozen=True):
    tests: Sequence[tuple[str, Test]]
    serve: str | Shares

    def is_met(self, context: Context) -> bool:
        # all() of a generator takes a microsecond more for each rule.
        for attribute, test in self.tests:  # noqa: SIM110
            if attribute not in context or not test(context[attribute]):
                return False
        return True


class Ready(msgspec.Struct, frozen=True):
    """A flag that can be asked."""

    key: str
    version: int
    kind: Kind
    enabled: bool
    variants: Mapping[str, Any]
    off: str
    rules: Sequence[ReadyRule]
    serve: str | Shares


class Broken(msgspec.Struct, frozen=True):
    """A flag that this version cannot read, perhaps one that a newer version wrote."""

    key: str
    version: int
    why: str


def ready(key: str, version: int, definition: Definition) -> Ready:
    """Raises Invalid, naming the member that does not fit."""
    kind = kind_of_variants(definition.variants)
    if definition.off not in definition.variants:
        raise unknown_variant(definition.off, "off")
    rules = [
        ReadyRule(
            [(condition.attribute, test_of(condition, f"rules[{place}].when[{index}]")) for index, condition in enumerate(rule.when)],
            serving(key, rule.serve, definition, f"rules[{place}].serve"),
        )
        for place, rule in enumerate(definition.rules)
    ]
    serve = serving(key, definition.serve, definition, "serve")
    return Ready(key, version, kind, definition.enabled, definition.variants, definition.off, rules, serve)


def ready_or_broken(key: str, version: int, definition: Definition | None, broken: str | None) -> Ready | Broken:
    """As `store.read` found it."""
    if definition is None:
        return Broken(key, version, broken or "It was taken away.")
    try:
        return ready(key, version, definition)
    except Invalid as error:
        return Broken(key, version, f"{error.field}: {error.detail}")


def checked(key: str, definition: Definition) -> Definition:
    """The same. Raises Invalid, naming the member that does not fit."""
    if len(msgspec.json.encode(definition)) > MOST_BYTES:
        raise Invalid(f"A flag may have at most {MOST_BYTES} bytes of JSON.")
    ready(key, 0, definition)
    return definition


# Variants


def kind_of_variants(variants: Mapping[str, Any]) -> Kind:
    kinds = {name: kind_of(value, f"variants.{name}") for name, value in variants.items()}
    first = next(iter(kinds.values()))
    for name, kind in kinds.items():
        if kind != first:
            raise Invalid(f"Variants are all of one kind: this one is a {kind}, the first a {first}.", field=f"variants.{name}")
    return first


def kind_of(value: Any, field: str = "") -> Kind:
    match value:
        case bool():
            return "boolean"
        case str():
            return "string"
        case int() | float():
            return "number"
        case dict() | list():
            return "object"
        case _:
            raise Invalid("A variant is a boolean, a string, a number, an object or an array.", field=field)


def serving(key: str, serve: Serve, definition: Definition, field: str) -> str | Shares:
    if isinstance(serve, str):
        if serve not in definition.variants:
            raise unknown_variant(serve, field)
        return serve
    return shares(key, serve, definition.variants, f"{field}.weights")


def shares(key: str, split: Split, variants: Mapping[str, Any], field: str) -> Shares:
    for name, weight in split.weights.items():
        if name not in variants:
            raise unknown_variant(name, f"{field}.{name}")
        if not 0 <= weight <= MOST_WEIGHT:
            raise Invalid(f"A weight lies between 0 and {MOST_WEIGHT:,}.", field=f"{field}.{name}")
    total = sum(split.weights.values())
    if total <= 0:
        raise Invalid("One of the weights must be above 0.", field=field)
    ends = [100 * end / total for end in accumulate(split.weights.values())]
    return Shares(split.by, split.seed or key, list(split.weights), ends)


def unknown_variant(name: str, field: str) -> Invalid:
    return Invalid(f"There is no variant {name!r} in `variants`.", field=field)


# Conditions


def test_of(condition: AnyCondition, field: str) -> Test:
    judge = judge_of(condition, field)
    if condition.is_not:
        return lambda value: judge(value) is False
    return lambda value: judge(value) is True


def judge_of(condition: AnyCondition, field: str) -> Judge:
    match condition:
        case Equals(value=wanted):
            comparable = comparable_of(wanted)
            return lambda value: comparable_of(value) == comparable if isinstance(value, SCALARS) else None
        case OneOf(values=values):
            among = frozenset(map(comparable_of, values))
            return lambda value: comparable_of(value) in among if isinstance(value, SCALARS) else None
        case StartsWith(value=beginning):
            return lambda value: value.startswith(beginning) if isinstance(value, str) else None
        case EndsWith(value=ending):
            return lambda value: value.endswith(ending) if isinstance(value, str) else None
        case Compared(op=op, value=number):
            compare = COMPARE[op]
            return lambda value: compare(value, number) if type(value) in NUMBERS else None
        case Versioned(op=op, value=text):
            return version_judge(COMPARE[op], text, f"{field}.value")
        case _:
            assert_never(condition)


def version_judge(compare: Compare, text: str, field: str) -> Judge:
    wanted = precedence(text)
    if wanted is None:
        raise Invalid(f"{text[:50]!r} is no version of Semantic Versioning, as in 2.1.0.", field=field)

    def judge(value: Any) -> bool | None:
        given = precedence(value) if isinstance(value, str) else None
        return None if given is None else compare(given, wanted)

    return judge


def comparable_of(value: Scalar) -> tuple[type, Scalar]:
    """Numbers are compared as numbers, and true is no 1."""
    return (float if type(value) is int else type(value)), value
