"""What a flag is for a context, and that nothing makes asking fail."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.errors import Invalid
from tidings.flags.evaluate import Resolution, evaluate
from tidings.flags.rules import Broken, checked, ready, ready_or_broken
from tidings.flags.semver import precedence
from tidings.flags.store import read
from tidings.flags.structs import Definition


def definition(**fields: Any) -> Definition:
    return msgspec.convert(fields, Definition)


def asked(context: dict[str, Any], default: Any = None, **fields: Any) -> Resolution:
    return evaluate(ready("flag", 1, definition(**fields)), context, default)


def meets(condition: dict[str, Any], **context: Any) -> bool:
    found = asked(context, rules=[{"when": [condition], "serve": "on"}], serve="off")
    assert found.reason == ("TARGETING_MATCH" if found.value else "DEFAULT")
    return bool(found.value)


@pytest.mark.parametrize(
    ("condition", "met", "not_met"),
    [
        ({"is": "equals", "value": "pro"}, ["pro"], ["Pro", "", 1, None, ["pro"]]),
        ({"is": "equals", "value": 1}, [1, 1.0], [True, "1", 2]),
        ({"is": "equals", "value": True}, [True], [1, "true", False]),
        ({"is": "equals", "value": None}, [None], [0, "", False]),
        ({"is": "equals", "value": "pro", "not": True}, ["free", 1, None], ["pro", ["pro"], {}]),
        ({"is": "in", "values": ["DE", 7]}, ["DE", 7, 7.0], ["AT", "7", True]),
        ({"is": "in", "values": ["DE"], "not": True}, ["AT"], ["DE", ["AT"]]),
        ({"is": "starts_with", "value": "beta-"}, ["beta-", "beta-7"], ["Beta-7", "", 7]),
        ({"is": "ends_with", "value": "@example.com"}, ["a@example.com"], ["a@example.com.evil", None]),
        ({"is": "number", "op": ">=", "value": 10}, [10, 10.5, 1e9], [9.99, "11", True]),
        ({"is": "number", "op": "!=", "value": 10}, [9], [10, 10.0, "9"]),
        ({"is": "number", "op": "<", "value": 0}, [-1], [0, 1]),
        ({"is": "semver", "op": ">=", "value": "2.1.0"}, ["2.1.0", "2.10.0", "10.0.0", "2.1.0+b"], ["2.1.0-rc.1", "2.0.9", "2.1", 2.1, ""]),
        ({"is": "semver", "op": "<", "value": "1.0.0"}, ["0.9.9", "1.0.0-rc.1"], ["1.0.0", "one"]),
        ({"is": "semver", "op": "=", "value": "1.0.0"}, ["1.0.0", "1.0.0+x"], ["1.0.1"]),
    ],
)  # fmt: skip
def test_a_condition_is_met_by_these_and_not_by_those(condition: dict[str, Any], met: list[Any], not_met: list[Any]) -> None:
    condition = {"attribute": "x"} | condition
    assert [value for value in met if not meets(condition, x=value)] == []
    assert [value for value in not_met if meets(condition, x=value)] == []
    # An attribute that is missing meets no condition, with `not` neither.
    assert not meets(condition, y="pro")


def test_versions_are_ordered_as_semantic_versioning_says() -> None:
    # The example of §11.4.4, with those of §11.2.
    ordered = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 2.0.0 2.1.0 2.1.1"
    known = [precedence(version) for version in ordered.split()]
    assert None not in known
    assert sorted(known, key=lambda place: place or ((0, 0, 0), False, ())) == known
    assert [precedence(wrong) for wrong in ("1", "1.0", "01.0.0", "v1.0.0", "1.0.0-", "1.0.0\n", "1.0.0-01")] == [None] * 7


def test_the_reasons_are_those_of_openfeature() -> None:
    rules = [{"when": [{"attribute": "plan", "is": "equals", "value": "pro"}], "serve": "off"}]
    assert (asked({}).value, asked({}).reason) == (True, "STATIC")
    assert (asked({"plan": "free"}, rules=rules).value, asked({"plan": "free"}, rules=rules).reason) == (True, "DEFAULT")
    found = asked({"plan": "pro"}, rules=rules)
    assert (found.value, found.variant, found.reason, found.rule) == (False, "off", "TARGETING_MATCH", 0)
    split = asked({"targetingKey": "alice"}, serve={"weights": {"on": 1}})
    assert (split.value, split.reason) == (True, "SPLIT") and split.bucket is not None and 0 <= split.bucket < 100
    # The kill switch comes before every rule.
    killed = asked({"plan": "pro"}, rules=rules, enabled=False)
    assert (killed.value, killed.variant, killed.reason) == (False, "off", "DISABLED")
    missing = evaluate(None, {}, "mine")
    assert (missing.value, missing.reason, missing.error) == ("mine", "ERROR", "FLAG_NOT_FOUND")
    keyless = asked({}, "mine", serve={"weights": {"on": 1}})
    assert (keyless.value, keyless.reason, keyless.error) == ("mine", "ERROR", "TARGETING_KEY_MISSING")


def test_the_first_rule_that_is_met_counts_and_all_of_its_conditions_must_be() -> None:
    pro = {"attribute": "plan", "is": "equals", "value": "pro"}
    many = {"attribute": "seats", "is": "number", "op": ">", "value": 5}
    rules = [{"when": [pro, many], "serve": "big"}, {"when": [pro], "serve": "small"}]
    variants: dict[str, Any] = {"big": {"rows": 100}, "small": {"rows": 10}, "none": {}}
    fields: dict[str, Any] = {"rules": rules, "variants": variants, "off": "none", "serve": "none"}
    assert [asked({"plan": "pro", "seats": seats}, **fields).value for seats in (6, 5)] == [{"rows": 100}, {"rows": 10}]
    assert asked({"plan": "free", "seats": 6}, **fields).value == {}


NEWER = '{"rules": [{"when": [{"is": "of_a_newer_version", "attribute": "x"}], "serve": "on"}]}'


@pytest.mark.parametrize("text", ["null", "[]", '{"serve": "nowhere"}', NEWER, "{", '{"variants": {"on": null}}'])
def test_a_flag_that_cannot_be_read_gives_the_default_with_the_reason_error(text: str) -> None:
    flag = ready_or_broken("flag", 1, *read(text))
    assert isinstance(flag, Broken) and flag.why
    found = evaluate(flag, {"x": 1}, "mine")
    assert (found.value, found.variant, found.reason, found.error) == ("mine", None, "ERROR", "PARSE_ERROR")


class Hostile(str):
    """A value that fails at whatever it is asked."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = None  # type: ignore[assignment]


def test_a_context_whose_values_fail_gives_the_default_with_the_reason_error() -> None:
    rules = [{"when": [{"attribute": "x", "is": "in", "values": ["a"]}], "serve": "on"}]
    found = asked({"x": Hostile("a")}, "mine", rules=rules)
    assert (found.value, found.reason, found.error) == ("mine", "ERROR", "GENERAL")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
CONDITIONS = [
    {"is": "equals", "value": "a"}, {"is": "in", "values": [1, "a", None]}, {"is": "starts_with", "value": "a"},
    {"is": "number", "op": "<", "value": 1}, {"is": "semver", "op": "<", "value": "1.0.0"},
]  # fmt: skip


@settings(max_examples=50)
@given(ANYTHING, st.sampled_from(CONDITIONS), st.booleans())
def test_no_context_makes_asking_fail(value: Any, condition: dict[str, Any], is_not: bool) -> None:
    rules = [{"when": [{"attribute": "x", "not": is_not} | condition], "serve": {"weights": {"on": 1, "off": 1}, "by": "x"}}]
    found = asked({"x": value}, None, rules=rules, serve="off")
    assert found.reason in ("SPLIT", "DEFAULT") or found.error == "TARGETING_KEY_MISSING"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"variants": {"on": True, "off": "no"}}, "variants.off"),
        ({"variants": {"on": None}, "off": "on"}, "variants.on"),
        ({"off": "gone"}, "off"),
        ({"serve": "gone"}, "serve"),
        ({"serve": {"weights": {"gone": 1}}}, "serve.weights.gone"),
        ({"serve": {"weights": {"on": 0}}}, "serve.weights"),
        ({"rules": [{"when": [{"attribute": "x", "is": "equals", "value": 1}], "serve": "gone"}]}, "rules[0].serve"),
        ({"rules": [{"when": [{"attribute": "x", "is": "semver", "op": "<", "value": "1"}], "serve": "on"}]}, "rules[0].when[0].value"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_its_name(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked("flag", definition(**fields))
    assert refused.value.field == field
