"""What an event would become, without becoming it."""

from datetime import datetime

from tidings.access.principals import Tenant
from tidings.notifications.audience import known_topics
from tidings.platform.postgres import Connection
from tidings.sources.mappings import mapped
from tidings.sources.paths import Event
from tidings.sources.reading import id_of, type_of
from tidings.sources.sources import GET, decoded, row_of
from tidings.sources.structs import Trial, Tried

NO_ID = "try"


async def try_event(connection: Connection, tenant: Tenant, key: str, trial: Trial, now: datetime) -> Tried:
    """Raises NotFound for an unknown source."""
    row = await row_of(connection, GET, tenant, key)
    headers = {name.lower(): value for name, value in trial.headers.items()}
    identity = id_of(row["kind"], headers, trial.body)
    event = Event(identity if isinstance(identity, str) else NO_ID, type_of(row["kind"], headers, trial.body), trial.body)
    result = mapped(decoded(row["mappings"]), event, now)
    if result.draft is None:
        return Tried(result.outcome, result.mapping, result.reason, None)
    known = await known_topics(connection, tenant.id, result.draft.topics)
    missing = [topic for topic in result.draft.topics if topic not in known]
    if missing:
        return Tried("failed", result.mapping, f"There is no topic {missing[0]!r}.", result.draft.wanted)
    return Tried("published", result.mapping, None, result.draft.wanted)
