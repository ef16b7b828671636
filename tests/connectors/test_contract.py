"""What every connector of the registry passes, whatever it speaks. Each has an example in `examples.py`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, get_args

import msgspec
import pytest
from loguru import logger
from outbound.ground import Handle, answering, pouring, read_request, serving
from own_database import SHARDS, own_database
from running import Servers

from connectors.examples import CANARY, EXAMPLES, Example, Ground
from connectors.far_end import ALLOWING, BASE_URL, LOOPBACK, PUBLIC, claimed, destination
from tidings.access.projects import create_project
from tidings.deliveries.connectors.connector import Connector, Destination, Reach
from tidings.deliveries.connectors.redaction import redacted
from tidings.deliveries.connectors.registry import CONNECTORS
from tidings.deliveries.destinations.members import members_check
from tidings.deliveries.ledger.channels import Channel
from tidings.deliveries.ledger.claim import Claimed
from tidings.deliveries.ledger.outcome import Kind, Outcome
from tidings.errors import Invalid
from tidings.outbound.client import Outbound, open_outbound
from tidings.platform.embedded.memory import free_port
from tidings.platform.ids import uuid7
from tidings.platform.postgres import Database
from tidings.platform.secrets import load_secret
from tidings.settings import Settings
from tidings.vault import Vault, load_vault

# By then a connector must have given a far end up by itself.
ENDS_WITHIN_S = 30
HURRIED_S = 0.5
# Each begins with what must arrive of it, and ends with a word that arrives unless it is cut.
ODD = {
    "control characters": ("Ready\x07\x1b[31m now\r\nBcc: eve@example.com", "One\x08 two\u2028three \u202efour five."),
    "4,000 characters": ("Title " * 33, "Long " * 799 + "ends."),
    "emoji": ("Ready 🚀👩🏽‍💻🇩🇪", "Done 🎉🎉 " * 400 + "ends."),
    "right to left": ("تم تجهيز التصدير", "הייצוא שלך מוכן " * 20 + "כאן."),
}


class Hurried(Outbound):
    """As ever, but without patience."""

    def __init__(self, patient: Outbound) -> None:
        self.connector, self.pool, self.policy = patient.connector, patient.pool, patient.policy

    async def request(self, *arguments: Any, **options: Any) -> Any:
        return await super().request(*arguments, **options | {"timeout_s": HURRIED_S})


@dataclass
class Bench:
    """A connector, and the far end that its example leads to. got: what that was sent."""

    connector: Connector
    example: Example
    ground: Ground
    reach: Reach
    destination: Destination
    got: list[bytes]

    async def send(self, **notification: Any) -> Outcome:
        [outcome] = await self.send_all([self.delivery(**notification)])
        return outcome

    async def send_all(self, deliveries: list[Claimed]) -> list[Outcome]:
        async with asyncio.timeout(ENDS_WITHIN_S):
            outcomes = list(await self.connector.send(self.reach, self.destination, deliveries))
        assert len(outcomes) == len(deliveries)
        assert all(isinstance(one, Outcome) and one.kind in get_args(Kind) and one.reason for one in outcomes)
        return outcomes

    def delivery(self, **notification: Any) -> Claimed:
        person = {"subscriber": 1, "external_id": "alice", "name": "Alice", "email": "alice@example.com", "phone": "+4915112345678"}
        one = claimed(to=person, project=self.destination.project, **{**self.example.data, **notification})
        return msgspec.structs.replace(one, **{"id": str(uuid7()), **self.example.to})


FarEnd = Callable[[Example, list[bytes]], Handle]
Benches = Callable[[FarEnd | None], AbstractAsyncContextManager[Bench]]


@pytest.fixture(scope="module")
async def database(servers: Servers) -> AsyncIterator[Database]:
    async with own_database(servers) as (_, database):
        yield database


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    settings = Settings(state_dir=tmp_path_factory.mktemp("state"))
    load_secret(settings)
    return load_vault(settings)


@pytest.fixture(params=sorted(CONNECTORS))
def connector(request: pytest.FixtureRequest) -> Connector:
    return CONNECTORS[request.param]


@pytest.fixture
def bench(connector: Connector, database: Database, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Benches:
    @asynccontextmanager
    async def facing(far_end: FarEnd | None) -> AsyncIterator[Bench]:
        """far_end: None where nobody listens."""
        got: list[bytes] = []
        handles: list[Handle] = []

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await handles[0](reader, writer)

        project, _ = await create_project(database, "contract", SHARDS)
        async with serving(handle) as server, open_outbound(Settings(outbound_allow=LOOPBACK)) as outbound:
            port = server.port if far_end is not None else free_port()
            ground = Ground(f"http://127.0.0.1:{port}", monkeypatch, database, vault, project)
            example = await EXAMPLES[connector.name](ground)
            if far_end is not None:
                handles.append(far_end(example, got))
            members = members_check(ALLOWING)(connector, example.config, example.credentials)
            where = destination(connector.name, as_kept(members.config), as_kept(members.credentials), project.id)
            yield Bench(connector, example, ground, Reach(Hurried(outbound), database.system, vault, BASE_URL), where, got)

    return facing


def as_kept(members: msgspec.Struct) -> Any:
    return msgspec.json.decode(msgspec.json.encode(members))


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """What was logged: all of ours, and of libraries what is not kept quiet."""
    ours: list[str] = []
    sink = logger.add(lambda message: ours.append(str(message)), level=0, diagnose=False)
    caplog.set_level(logging.INFO)
    yield lambda: "\n".join((*ours, caplog.text))
    logger.remove(sink)


def http(status: int, body: bytes, *headers: str) -> bytes:
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {status} Status\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


def accepting(example: Example, got: list[bytes]) -> Handle:
    return example.serves(got) if example.serves is not None else answering(http(*example.accepts), got)


def always(answer: bytes) -> FarEnd:
    return lambda _, got: answering(answer, got)


def hanging(_: Example, got: list[bytes]) -> Handle:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await read_request(reader))
        await asyncio.Event().wait()

    return handle


def echoing(_: Example, got: list[bytes]) -> Handle:
    """An error page that shows the request."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await read_request(reader))
        writer.write(http(500, b"Cannot handle this: " + got[-1]))
        await writer.drain()

    return handle


def test_every_connector_has_an_example() -> None:
    missing = sorted(CONNECTORS.keys() - EXAMPLES.keys())
    assert not missing, f"tests/connectors/examples.py lacks {', '.join(missing)}"


def test_it_has_the_members_of_a_connector(connector: Connector) -> None:
    members = [name for name in vars(Connector) if not name.startswith("_")]
    assert [name for name in members if not hasattr(connector, name)] == []
    assert CONNECTORS[connector.name] is connector
    assert connector.channel in get_args(Channel)
    assert connector.schedule and all(isinstance(wait, int) and wait > 0 for wait in connector.schedule)
    assert isinstance(connector.repeats, bool) and connector.most_together >= 1


@pytest.mark.parametrize("what", ["config", "credentials"])
def test_its_members_are_described_and_no_others_are_taken(connector: Connector, what: str) -> None:
    schema = msgspec.json.schema(getattr(connector, what))
    assert getattr(connector, what).__struct_config__.frozen
    for name, one in schema["$defs"].items():
        if "properties" in one:
            assert one.get("additionalProperties") is False, f"{name} takes unknown fields"


async def test_it_names_the_url_that_leads_into_the_private_network(bench: Benches) -> None:
    async with bench(None) as at:
        example = at.example
    given = {"config": example.config, "credentials": example.credentials}
    of_the_far_end = {
        f"{what}.{name}" for what, members in given.items() for name, value in members.items() if str(value).startswith(at.ground.url)
    }
    assert of_the_far_end <= set(example.urls), "these are URLs"
    for path in example.urls:
        what, _, name = path.partition(".")
        for private in ("https://10.0.0.1/x", "https://169.254.169.254/latest", "https://[::1]/"):
            changed = given | {what: {**given[what], name: private}}
            with pytest.raises(Invalid) as refused:
                members_check(PUBLIC)(at.connector, changed["config"], changed["credentials"])
            assert refused.value.field == path


FAILURES: dict[str, FarEnd | None] = {
    "nobody listens": None,
    "it hangs": hanging,
    "500": always(http(500, b"oops")),
    "a redirect": always(http(302, b"", "Location: /elsewhere")),
    "no HTTP": always(b"\x00\xff\xfe\r\n\r\n"),
}
# What a 2xx with such a body means is the connector's to say.
STRANGE: dict[str, FarEnd | None] = {
    "a garbage body": always(http(200, b'\xff\xfe{"\x00')),
    "no body": always(http(204, b"")),
    "an endless body": lambda *_: pouring(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failure_is_an_outcome_and_tells_no_credential(bench: Benches, said: Callable[[], str], failure: str) -> None:
    async with bench(FAILURES[failure]) as at:
        outcome = await at.send()
    assert outcome.kind != "delivered"
    assert not [request for request in at.got if b"/elsewhere" in request.partition(b"\r\n")[0]], "it followed a redirect"
    if failure == "nobody listens":
        assert outcome.kind == "retry"
    if failure == "it hangs" and at.got:
        assert outcome.kind == ("retry" if at.connector.repeats else "unknown")
    assert CANARY not in repr(outcome) + said()


@pytest.mark.parametrize("answer", STRANGE)
async def test_a_strange_answer_is_an_outcome_and_tells_no_credential(bench: Benches, said: Callable[[], str], answer: str) -> None:
    async with bench(STRANGE[answer]) as at:
        outcome = await at.send()
    assert len(outcome.response) <= 16 * 1024
    assert CANARY not in repr(outcome) + said()


async def test_credentials_that_the_far_end_repeats_are_cut_out(bench: Benches, said: Callable[[], str]) -> None:
    async with bench(echoing) as at:
        outcome = redacted(await at.send(), at.destination.secrets)
    assert CANARY not in repr(outcome) + said()


@pytest.mark.parametrize("kind", ODD)
async def test_odd_texts_arrive_or_are_cut(bench: Benches, kind: str) -> None:
    title, body = ODD[kind]
    async with bench(accepting) as at:
        outcome = await at.send(title=title, body=body)
    assert outcome.kind == "delivered", outcome
    sent = b"".join(at.got)
    assert sent and b"\nBcc:" not in sent
    if at.example.texts is None:
        return
    shown = at.example.texts(at.got[-1] if at.example.serves else at.got[-1].partition(b"\r\n\r\n")[2])
    for text in (title, body):
        first, last = text.split()[0].partition("\x07")[0].partition("\x08")[0], text.split()[-1]
        assert first in shown
        assert last in shown or "…" in shown


async def test_several_go_together_and_each_has_its_outcome(bench: Benches) -> None:
    async with bench(accepting) as at:
        outcomes = await at.send_all([at.delivery() for _ in range(min(at.connector.most_together, 3))])
    assert [outcome.kind for outcome in outcomes] == ["delivered"] * len(outcomes)
