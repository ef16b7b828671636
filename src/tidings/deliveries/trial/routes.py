"""Test messages over HTTP."""

from datetime import UTC, datetime

from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tidings.access.guards import may
from tidings.access.principals import KeyHolder
from tidings.deliveries.connectors.connector import Reach
from tidings.deliveries.trial.send import prepare_trial, send_trial
from tidings.deliveries.trial.structs import NewTrial, TrialResult
from tidings.platform.postgres import Database, tenant_connection
from tidings.platform.problems import responses

RESPONSES = responses(200, TrialResult, 400, 401, 403, 404, 413, 415, 422, 503)


@post(
    "/v1/endpoints/{endpoint:str}/test",
    guards=[may("endpoints:write")],
    status_code=200,
    operation_id="TestEndpoint",
    tags=["Endpoints"],
    responses=RESPONSES,
)
async def post_endpoint_test(
    endpoint: FromPath[str],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    reach: NamedDependency[Reach],
    data: JSONBody[NewTrial | None] = None,
) -> TrialResult:
    """Send a test message now, signed as all others are, and show what the receiver answers. It is tried once, and stands in no ledger."""
    return await trial(endpoint, holder, database, reach, data or NewTrial())


@post(
    "/v1/integrations/{integration:str}/test",
    guards=[may("integrations:write")],
    status_code=200,
    operation_id="TestIntegration",
    tags=["Integrations"],
    responses=RESPONSES,
)
async def post_integration_test(
    integration: FromPath[str],
    holder: NamedDependency[KeyHolder],
    database: NamedDependency[Database],
    reach: NamedDependency[Reach],
    data: JSONBody[NewTrial | None] = None,
) -> TrialResult:
    """Send a test message now, to a subscriber of the project where it goes to people, and show what the service answers."""
    return await trial(integration, holder, database, reach, data or NewTrial())


async def trial(key: str, holder: KeyHolder, database: Database, reach: Reach, wanted: NewTrial) -> TrialResult:
    async with tenant_connection(database, holder.tenant.id) as connection:
        destination, message = await prepare_trial(connection, holder, reach, key, wanted, datetime.now(UTC))
    # Without the connection: the far end may take its time.
    return await send_trial(reach, destination, message)


router = Router(path="/", route_handlers=[post_endpoint_test, post_integration_test])
