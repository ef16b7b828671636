"""Rollouts: even, sticky and only growing."""

from collections import Counter
from math import sqrt

import pytest

from tidings.flags.bucket import bucket
from tidings.flags.evaluate import evaluate
from tidings.flags.rules import ready
from tidings.flags.structs import Definition, Split

PEOPLE = [f"user-{number}" for number in range(50_000)]


def variants(key: str, split: Split, people: list[str] = PEOPLE) -> list[str | None]:
    flag = ready(key, 1, Definition(variants={name: name for name in ("a", "b", "c")}, off="a", serve=split))
    return [evaluate(flag, {"targetingKey": person}, None).variant for person in people]


@pytest.mark.parametrize("weights", [{"a": 50, "b": 50}, {"a": 1, "b": 99}, {"a": 10, "b": 20, "c": 70}, {"a": 1, "b": 1, "c": 1}])
def test_each_variant_gets_its_share(weights: dict[str, float]) -> None:
    counted = Counter(variants("checkout", Split(weights)))
    for name, weight in weights.items():
        share = weight / sum(weights.values())
        # Five standard deviations: these people are always the same, so this fails for a hash that is uneven, never for luck.
        assert abs(counted[name] - share * len(PEOPLE)) < 5 * sqrt(len(PEOPLE) * share * (1 - share))


def test_hundred_buckets_of_numbered_people_are_even() -> None:
    """The chi-squared statistic of 100 cells; 99 degrees of freedom stay below 170 in all but one case of 100,000."""
    counted = Counter(int(bucket("checkout", person)) for person in PEOPLE)
    expected = len(PEOPLE) / 100
    assert sorted(counted) == list(range(100))
    assert sum((count - expected) ** 2 / expected for count in counted.values()) < 170


def test_the_hash_is_the_one_it_always_was() -> None:
    """Another hash would deal everyone anew in every rollout."""
    assert [round(bucket("checkout", person), 6) for person in ("alice", "bob", "zoë", "")] == [4.984006, 90.743565, 38.086324, 29.839323]


def test_whoever_has_a_variant_keeps_it_while_its_share_grows() -> None:
    before, after = variants("checkout", Split({"a": 10, "b": 90})), variants("checkout", Split({"a": 30, "b": 70}))
    assert all(now == "a" for then, now in zip(before, after, strict=True) if then == "a")
    assert variants("checkout", Split({"a": 10, "b": 90})) == before


def test_flags_split_differently_unless_they_share_a_seed() -> None:
    half = Split({"a": 50, "b": 50})
    one, other = variants("one", half), variants("other", half)
    alike = sum(a == b for a, b in zip(one, other, strict=True)) / len(PEOPLE)
    assert abs(alike - 0.5) < 0.02
    shared = Split({"a": 50, "b": 50}, seed="both")
    assert variants("one", shared) == variants("other", shared)


def test_a_split_by_another_attribute_keeps_its_equals_together() -> None:
    flag = ready("checkout", 1, Definition(serve=Split({"on": 50, "off": 50}, by="team")))
    for team in range(20):
        assert len({evaluate(flag, {"targetingKey": person, "team": team}, None).variant for person in PEOPLE[:20]}) == 1
