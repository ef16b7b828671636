"""The OpenAPI document is true: whatever is sent, no answer is a 5xx, and none is undocumented."""

import asyncio
import contextlib
import os
from typing import Any

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from running import Project
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


# A stream stays open: tests/stream has it. Those that can wait are asked not to.
# Of right and of wrong input, for each operation.
EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES") or 6)
OPEN_ENDED = ["OpenStream"]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
async def test_no_answer_is_a_server_error_or_undocumented(project: Project, mode: GenerationMode) -> None:
    """Right input and wrong input, for every operation."""
    token = await project.token("alice")
    await asyncio.to_thread(exercise, project, token, mode)


def exercise(project: Project, token: str, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{project.base_url}/openapi.json").exclude(operation_id=OPEN_ENDED)
    for found in schema.get_all_operations():
        operation = found.ok()
        wants_subscriber = any("subscriberToken" in one for one in operation.definition.raw.get("security", []))
        with contextlib.suppress(Unsatisfiable):  # an operation without input has no wrong one
            check_operation(operation, token if wants_subscriber else project.api_key, mode)


def check_operation(operation: Any, credential: str, mode: GenerationMode) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def check(case: Any) -> None:
        if case.query and "wait" in case.query:
            case.query["wait"] = 0
        case.call_and_validate(headers={"Authorization": f"Bearer {credential}"}, checks=CHECKS, timeout=20)

    check()


async def test_every_operation_describes_itself(project: Project) -> None:
    document = await project.call("GET", "/openapi.json")
    assert document["openapi"].startswith("3.1")
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post", "put", "patch", "delete"):
                assert operation.get("description"), f"{method} {path} has no description"
                assert operation.get("tags"), f"{method} {path} has no tag"


async def test_every_json_body_has_an_example_and_every_creating_post_its_key(project: Project) -> None:
    document = await project.call("GET", "/openapi.json")
    operations = [operation for item in document["paths"].values() for operation in item.values() if isinstance(operation, dict)]
    for operation in operations:
        for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
            for media_type, media in holder.get("content", {}).items():
                assert "json" not in media_type or "example" in media, operation["operationId"]
    keyed = {one["operationId"] for one in operations if any(p["name"] == "Idempotency-Key" for p in one.get("parameters", []))}
    assert keyed == {
        *("PublishNotification", "PublishBatch", "PutSubscribers", "CreateToken", "CreateTicket"),
        *("CreateKey", "RotateKey", "AddPublicKey"),
        *("CreateEndpoint", "EnableEndpoint", "RotateEndpointSecret", "ReplayDeliveries"),
        *("CreateIntegration", "EnableIntegration", "CreatePaymentLink"),
        *("CreateSource", "RotateSourceSecret"),
    }


async def test_the_address_of_the_api_leads_to_its_documentation(project: Project) -> None:
    async with aiohttp.ClientSession() as session, session.get(project.base_url) as answer:
        assert (answer.status, answer.url.path, answer.content_type) == (200, "/docs", "text/html")


async def test_the_documentation_page_lists_every_operation(project: Project) -> None:
    document = await project.call("GET", "/openapi.json")

    async with aiohttp.ClientSession() as session, session.get(f"{project.base_url}/docs") as answer:
        page = await answer.text()
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                assert f'id="{operation["operationId"]}"' in page
