"""The provider, asked through OpenFeature's own client."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from openfeature import api as openfeature
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

from flags.conftest import holds, knowing, set_
from tidings.flags.provider import TidingsProvider
from tidings.flags.rules import Ready
from tidings.flags.structs import Definition, Equals, Rule, Split
from tidings.platform.postgres import Database

ALICE = EvaluationContext("alice", {"plan": "pro"})


@pytest.fixture(scope="module")
async def client(database: Database) -> AsyncIterator[OpenFeatureClient]:
    variants: dict[str, Any] = {"boolean": True, "text": "blue", "whole": 7, "fraction": 0.5, "object": {"rows": [1, 2]}}
    for name, value in variants.items():
        await set_(database, f"provider.{name}", Definition(variants={"it": value}, off="it", serve="it"))
    await set_(database, "provider.split", Definition(serve=Split({"on": 1, "off": 1})))
    await set_(database, "provider.rule", Definition(rules=[Rule([Equals(attribute="plan", value="pro")], "off")]))
    await set_(database, "provider.killed", Definition(enabled=False))
    async with knowing(database.system) as flags:
        openfeature.set_provider(TidingsProvider(flags), "tidings")
        yield openfeature.get_client("tidings")
        openfeature.shutdown()


def test_each_kind_of_value_is_had_by_its_own_question(client: OpenFeatureClient) -> None:
    assert client.get_boolean_value("provider.boolean", False) is True
    assert client.get_string_value("provider.text", "red") == "blue"
    assert client.get_integer_value("provider.whole", 1) == 7
    assert client.get_float_value("provider.fraction", 1.0) == 0.5
    whole = client.get_float_value("provider.whole", 1.0)
    assert (whole, type(whole)) == (7.0, float)
    assert client.get_object_value("provider.object", {}) == {"rows": [1, 2]}


def test_details_say_the_variant_and_the_reason_in_openfeatures_words(client: OpenFeatureClient) -> None:
    static = client.get_boolean_details("provider.boolean", False)
    assert (static.variant, static.reason, static.error_code) == ("it", Reason.STATIC, None)
    split = client.get_boolean_details("provider.split", False, ALICE)
    assert split.reason == Reason.SPLIT and split.variant == ("on" if split.value else "off")
    assert client.get_boolean_details("provider.rule", True, ALICE).reason == Reason.TARGETING_MATCH
    assert client.get_boolean_details("provider.rule", False).reason == Reason.DEFAULT
    killed = client.get_boolean_details("provider.killed", True)
    assert (killed.value, killed.reason) == (False, Reason.DISABLED)


def test_what_goes_wrong_gives_the_default_and_openfeatures_code(client: OpenFeatureClient) -> None:
    asked = [
        (client.get_boolean_details("provider.nowhere", True), True, ErrorCode.FLAG_NOT_FOUND),
        (client.get_boolean_details("provider.split", True), True, ErrorCode.TARGETING_KEY_MISSING),
        (client.get_boolean_details("provider.text", True), True, ErrorCode.TYPE_MISMATCH),
        (client.get_string_details("provider.boolean", "red"), "red", ErrorCode.TYPE_MISMATCH),
        (client.get_integer_details("provider.fraction", 1), 1, ErrorCode.TYPE_MISMATCH),
        (client.get_integer_details("provider.boolean", 1), 1, ErrorCode.TYPE_MISMATCH),
        (client.get_float_details("provider.boolean", 1.0), 1.0, ErrorCode.TYPE_MISMATCH),
        (client.get_object_details("provider.text", {}), {}, ErrorCode.TYPE_MISMATCH),
    ]
    for details, default, code in asked:
        assert (details.value, details.reason, details.error_code) == (default, Reason.ERROR, code), details


async def test_a_change_reaches_the_client(client: OpenFeatureClient, database: Database) -> None:
    assert client.get_boolean_value("provider.late", False) is False
    await set_(database, "provider.late")
    await holds(lambda: client.get_boolean_value("provider.late", False), "the flag is known")


async def test_a_flag_of_another_version_is_an_error_of_parsing(client: OpenFeatureClient, database: Database) -> None:
    await database.system.execute(
        "INSERT INTO flag_changes (project, key, version, definition, actor) VALUES (0, 'provider.newer', 1, '{\"moons\": 2}', 'test')"
    )
    await set_(database, "provider.after")
    await holds(lambda: client.get_boolean_value("provider.after", False), "the flag is known")
    newer = client.get_boolean_details("provider.newer", True)
    assert (newer.value, newer.reason, newer.error_code) == (True, Reason.ERROR, ErrorCode.PARSE_ERROR)
    provider = client.provider
    assert isinstance(provider, TidingsProvider) and isinstance(provider.flags.flags["provider.text"], Ready)
