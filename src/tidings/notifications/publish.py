"""The publish door: every notification enters here, and is committed when it answers.

Concurrent publishes of a project commit together: while one transaction commits, the next gathers (no timer). One that fails is taken
out, and the others are tried again. Measured on prototypes: 975/s with a transaction each, 2,400–4,000/s gathered.

Those to one person each go a shorter way (lone.py), those to one topic each another (topical.py), and each way gathers by itself, so
that one person waits for no large audience. Of two publishes the one that was answered before the other was sent still keeps its
place: what is answered is committed.
"""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, Literal

import asyncpg
import msgspec

from tidings.access.idempotency import Answer, OnceKey, claim, remember
from tidings.access.principals import Tenant
from tidings.errors import Conflict, TidingsError, Unavailable
from tidings.events.wake import Waker
from tidings.notifications.audience import look_up, resolve
from tidings.notifications.draft import Draft
from tidings.notifications.lone import write_lone
from tidings.notifications.store import Prepared, prepare, store
from tidings.notifications.structs import Accepted
from tidings.notifications.topical import write_topical
from tidings.notifications.traced import commit_context, recorded_commit
from tidings.platform.gather import Gather
from tidings.platform.metrics import PUBLISH_BATCH, PUBLISH_LATENCY, PUBLISH_REFUSED, PUBLISHED
from tidings.platform.postgres import BEGINS_WITH, CONNECTION_LOST, Connection, Database, tenant_connection, tenant_transaction
from tidings.recipients.known import NOBODY, KnownPeople

# Publishes gathered into one transaction: enough to share its cost, few enough to keep it in the tens of milliseconds.
MOST_TOGETHER = 200
# Of batches: while PostgreSQL writes one, this process prepares the next. Single publishes would only share less of what a commit costs
# (two at once: PostgreSQL 111 instead of 93 µs a publish with 64 clients, and no more of them a second).
BATCHES_AT_ONCE = 2

Outcome = Accepted | TidingsError
Way = Literal["lone", "batch", "topical", "general"]

# One statement for drafts of one kind; None when it does not apply, and nothing was written.
Write = Callable[[Connection, Tenant, Sequence[Draft], Sequence[str], Sequence[str | None], datetime], Awaitable[list[Accepted] | None]]

UNKNOWN_OUTCOME = "PostgreSQL cannot be reached; whether this was accepted is not known: repeat it with the same Idempotency-Key."


class Publish(msgspec.Struct, frozen=True, eq=False):
    """One request: a single draft, or those of a batch. answer: makes the body from the outcomes; a lone error is raised instead.

    trace: `traceparent` of its commit, where it is sampled.
    """

    tenant: Tenant
    actor: str
    drafts: Sequence[Draft | TidingsError]
    once: OnceKey | None
    answer: Callable[[Sequence[Outcome]], bytes]
    arrived: float
    trace: str | None = None

    def __hash__(self) -> int:
        return id(self)

    @property
    def way(self) -> Way:
        drafts = [draft for draft in self.drafts if isinstance(draft, Draft)]
        if self.once is not None or not drafts:
            return "general"
        if all(draft.is_lone for draft in drafts):
            return "lone" if len(drafts) == 1 else "batch"
        return "topical" if all(draft.is_topical for draft in drafts) else "general"


class PublishDoor:
    """backlog: events of a shard that wait for their position.   backlog_limit: beyond it, publishing answers 503.

    let_in: told how many are about to join them.   may_be_short: whether the short ways may be taken, for a project by its key.
    """

    def __init__(
        self,
        database: Database,
        waker: Waker,
        backlog: Callable[[int], int],
        backlog_limit: int,
        let_in: Callable[[int, int], None] = lambda shard, events: None,
        may_be_short: Callable[[str], bool] = lambda project: True,
    ) -> None:
        self.database = database
        self.waker = waker
        self.backlog = backlog
        self.backlog_limit = backlog_limit
        self.let_in = let_in
        self.may_be_short = may_be_short
        self.gathering: dict[tuple[int, Way], Gather[Publish, Answer]] = {}
        self.people = KnownPeople()
        self.running: set[tuple[int, str]] = set()

    async def warm_up(self) -> None:
        """Prepare the short ways' statements, by writing nothing, on the connections that a pool begins with.

        On a new connection the first publish to a topic took 32 to 40 ms, later ones 12.
        """
        nobody, now = Tenant(0, "", 0), datetime.now(UTC)
        async with AsyncExitStack() as held:
            for _ in range(BEGINS_WITH):
                connection = await held.enter_async_context(tenant_connection(self.database, nobody.id))
                await write_lone(connection, nobody, [], [], [], NOBODY, now)
                await write_topical(connection, nobody, [], [], [], now)

    async def publish(
        self,
        tenant: Tenant,
        actor: str,
        drafts: Sequence[Draft | TidingsError],
        once: OnceKey | None,
        answer: Callable[[Sequence[Outcome]], bytes],
    ) -> Answer:
        """Accept drafts. Raises Unavailable when the backlog is full; the error of a lone draft; Conflict while its key still runs."""
        self.check_backlog(tenant.shard, len(drafts))
        running = (tenant.id, once.key) if once is not None else None
        if running is not None:
            if running in self.running:
                raise Conflict("A request with this Idempotency-Key is still running; repeat it in a moment.")
            self.running.add(running)
        try:
            context = commit_context()
            request = Publish(tenant, actor, drafts, once, answer, time.perf_counter(), None if context is None else context.header)
            if context is None:
                result = await self.gather_for(request).get(request)
            else:
                with recorded_commit(context, len(drafts)):
                    result = await self.gather_for(request).get(request)
            PUBLISH_LATENCY.observe(time.perf_counter() - request.arrived)
            return result
        finally:
            if running is not None:
                self.running.discard(running)

    def gather_for(self, request: Publish) -> Gather[Publish, Answer]:
        way = request.way if self.may_be_short(request.tenant.key) else "general"
        place = request.tenant.id, way
        gather = self.gathering.get(place)
        if gather is None:
            gather = self.gathering[place] = self.new_gather(way)
        return gather

    def new_gather(self, way: Way) -> Gather[Publish, Answer]:
        if way == "general":
            return Gather(self.commit, MOST_TOGETHER)
        if way == "topical":
            return Gather(self.commit_topical, MOST_TOGETHER)
        return Gather(self.commit_lone, MOST_TOGETHER, at_once=BATCHES_AT_ONCE if way == "batch" else 1)

    def check_backlog(self, shard: int, drafts: int) -> None:
        if self.backlog(shard) >= self.backlog_limit:
            PUBLISH_REFUSED.inc()
            raise Unavailable(
                f"More than {self.backlog_limit} events wait for their place in the log; try again in a second.", retry_after=1
            )
        self.let_in(shard, drafts)

    async def commit_lone(self, requests: list[Publish]) -> Mapping[Publish, Answer | Exception]:
        return await self.commit_shortly(requests, self.write_lone)

    async def commit_topical(self, requests: list[Publish]) -> Mapping[Publish, Answer | Exception]:
        return await self.commit_shortly(requests, write_topical)

    async def commit_shortly(self, requests: list[Publish], write: Write) -> Mapping[Publish, Answer | Exception]:
        """A short way; where it does not lead through, nothing was written, and the general one does."""
        tenant = requests[0].tenant
        chosen = [(draft, request) for request in requests for draft in request.drafts if isinstance(draft, Draft)]
        try:
            async with tenant_connection(self.database, tenant.id) as connection:
                written = await write(
                    connection,
                    tenant,
                    [draft for draft, _ in chosen],
                    [request.actor for _, request in chosen],
                    [request.trace for _, request in chosen],
                    datetime.now(UTC),
                )
        except CONNECTION_LOST as error:
            return dict.fromkeys(requests, unknown_outcome(error))
        except asyncpg.PostgresError:
            written = None
        if written is None:
            return await self.commit(requests)
        self.waker.wake(tenant.shard)
        PUBLISH_BATCH.observe(len(requests))
        PUBLISHED.inc(len(written))
        accepted = iter(written)
        return {
            request: answer_of(request, [draft if isinstance(draft, TidingsError) else next(accepted) for draft in request.drafts])
            for request in requests
        }

    async def write_lone(
        self,
        connection: Connection,
        tenant: Tenant,
        drafts: Sequence[Draft],
        actors: Sequence[str],
        traces: Sequence[str | None],
        now: datetime,
    ) -> list[Accepted] | None:
        """None when somebody named is not known, or was deleted meanwhile."""
        people = await self.people.find(connection, tenant.id, [draft.subscribers[0] for draft in drafts])
        if people is None:
            return None
        written = await write_lone(connection, tenant, drafts, actors, traces, people, now)
        if written is None:
            self.people.forget(tenant.id)
        return written

    async def commit(self, requests: list[Publish]) -> Mapping[Publish, Answer | Exception]:
        """One transaction for all; if it fails, one for each, so that one bad request takes no other with it."""
        PUBLISH_BATCH.observe(len(requests))
        try:
            answers = await self.commit_together(requests)
        except CONNECTION_LOST as error:
            return dict.fromkeys(requests, unknown_outcome(error))
        except asyncpg.PostgresError as error:
            if len(requests) == 1:
                return {requests[0]: as_tidings_error(error)}
            answers = {}
            for request in requests:
                answers |= await self.commit([request])
        return answers

    async def commit_together(self, requests: list[Publish]) -> dict[Publish, Answer | Exception]:
        tenant = requests[0].tenant
        async with tenant_transaction(self.database, tenant.id) as connection:
            answers = await answers_already_known(connection, tenant.id, requests)
            fresh = [request for request in requests if request not in answers]
            if fresh:
                answers |= await accept(connection, tenant, fresh)
        self.waker.wake(tenant.shard)
        return answers


async def answers_already_known(connection: Connection, project: int, requests: Sequence[Publish]) -> dict[Publish, Answer | Exception]:
    keyed = {request.once.key: request for request in requests if request.once is not None}
    if not keyed:
        return {}
    known = await claim(connection, project, [request.once for request in keyed.values() if request.once is not None])
    return {keyed[key]: answer for key, answer in known.items()}


async def accept(connection: Connection, tenant: Tenant, requests: Sequence[Publish]) -> dict[Publish, Answer | Exception]:
    """Write everything that these requests ask for, in the caller's transaction."""
    now = datetime.now(UTC)
    by_actor: defaultdict[str, list[Draft]] = defaultdict(list)
    for request in requests:
        by_actor[request.actor] += [draft for draft in request.drafts if isinstance(draft, Draft)]
    directory = await look_up(connection, tenant.id, by_actor)
    outcomes: dict[Publish, Sequence[Outcome]] = {}
    prepared: list[Prepared] = []
    for request in requests:
        results: list[Outcome] = []
        outcomes[request] = results
        for draft in request.drafts:
            if isinstance(draft, TidingsError):
                results.append(draft)
                continue
            try:
                item = prepare(draft, resolve(draft, directory), request.actor, now, request.trace)
            except TidingsError as error:
                results.append(error)
            else:
                prepared.append(item)
                results.append(Accepted(item.id, item.audience.size))
    await store(connection, tenant, prepared)
    answers = {request: answer_of(request, results) for request, results in outcomes.items()}
    kept = [(r.once, answer) for r, answer in answers.items() if r.once is not None and isinstance(answer, Answer)]
    if kept:
        await remember(connection, tenant.id, kept)
    PUBLISHED.inc(len(prepared))
    return dict(answers)


def answer_of(request: Publish, results: Sequence[Outcome]) -> Answer | Exception:
    try:
        return Answer(202, request.answer(results))
    except TidingsError as error:
        return error


def unknown_outcome(error: Exception) -> Unavailable:
    unavailable = Unavailable(UNKNOWN_OUTCOME)
    unavailable.__cause__ = error
    return unavailable


def as_tidings_error(error: Exception) -> Exception:
    """What the caller is told when PostgreSQL refuses: a full disk or too many connections pass, and nothing was kept."""
    passing: tuple[type[Any], ...] = (
        asyncpg.InsufficientResourcesError,
        asyncpg.OperatorInterventionError,
        asyncpg.TransactionRollbackError,
    )
    if isinstance(error, passing):
        problem = Unavailable(f"PostgreSQL refuses just now ({type(error).__name__}); nothing was accepted.", retry_after=2)
        problem.__cause__ = error
        return problem
    return error
