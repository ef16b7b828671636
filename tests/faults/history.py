"""What was published, what every client received, and the rules that both must keep. Pure: nothing here talks to anything.

A notification is known by its mark, `PUBLISHER/NUMBER`, which travels in its data, so that what arrived can be matched with what was
sent even when the answer was lost. The rules:

- lost: what was accepted reaches everyone it was for. What a `reset` passed over counts as received when the inbox has it.
- twice: no mark appears under two ids. A repeated delivery of one id is a repeat: allowed, counted, and to be rare.
- torn: an unknown outcome (the connection died before the answer) may be there or not, but for everybody alike.
- falling: on one client positions only rise, over all its connections; another epoch begins with a `reset`.
- swapped: of two publishes, one answered before the other was sent comes first, on every client.
- disagree: one notification has one position.
- strange: somebody received what was not for them, or what was never sent.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Outcome = Literal["accepted", "refused", "unknown"]


class Fault(NamedTuple):
    rule: str
    what: str


class Place(NamedTuple):
    """Where in the log: a cursor, read."""

    epoch: str
    position: int


def place_of(cursor: str) -> Place:
    epoch, _, position = cursor.partition(".")
    return Place(epoch, int(position))


class Receipt(NamedTuple):
    """A notification as a client received it. connection: counts the client's connections.   at: when, by the loop's clock."""

    id: str
    mark: str
    place: Place
    connection: int
    at: float


@dataclass(slots=True)
class Publish:
    """outcome: None while it runs.   attempts: requests that it took."""

    publisher: str
    number: int
    audience: frozenset[str]
    sent_at: float
    outcome: Outcome | None = None
    id: str | None = None
    answered_at: float | None = None
    attempts: int = 0

    @property
    def mark(self) -> str:
        return f"{self.publisher}/{self.number}"

    def settle(self, outcome: Outcome, at: float, identity: str | None = None) -> None:
        self.outcome, self.answered_at, self.id = outcome, at, identity


@dataclass(slots=True)
class Client:
    """One subscriber's device, with everything that it ever received. snapshots: marks by id, of inboxes read after a reset."""

    subscriber: str
    receipts: list[Receipt] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    snapshots: dict[str, str] = field(default_factory=dict)
    # How many receipts there were when each reset came.
    resets: list[int] = field(default_factory=list)
    connections: int = 0

    def receive(self, identity: str, mark: str, cursor: str, at: float = 0.0) -> None:
        self.receipts.append(Receipt(identity, mark, place_of(cursor), self.connections, at))
        self.ids.add(identity)

    def reset(self) -> None:
        self.resets.append(len(self.receipts))

    def snapshot(self, items: Iterable[tuple[str, str]]) -> None:
        """items: (id, mark), from the inbox."""
        self.snapshots.update(items)

    def has(self, identity: str) -> bool:
        return identity in self.ids or identity in self.snapshots


@dataclass(slots=True)
class History:
    """publishes: in the order in which they were sent."""

    publishes: list[Publish] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)

    def client(self, subscriber: str) -> Client:
        client = Client(subscriber)
        self.clients.append(client)
        return client

    def publish(self, publisher: str, number: int, audience: Iterable[str], now: float) -> Publish:
        publish = Publish(publisher, number, frozenset(audience), now)
        self.publishes.append(publish)
        return publish

    def count(self, outcome: Outcome) -> int:
        return sum(publish.outcome == outcome for publish in self.publishes)

    @property
    def received(self) -> int:
        return sum(len(client.receipts) for client in self.clients)

    @property
    def repeats(self) -> int:
        """Deliveries that de-duplication by id takes out."""
        return sum(len(client.receipts) - len(client.ids) for client in self.clients)

    def missing(self) -> int:
        """Deliveries of accepted notifications that have not come yet; what to wait for before `faults`."""
        by_subscriber = self.clients_by_subscriber()
        return sum(
            publish.id is not None and not client.has(publish.id)
            for publish in self.publishes
            if publish.outcome == "accepted"
            for name in publish.audience
            for client in by_subscriber[name]
        )

    def slowest(self, since: float) -> float:
        """Seconds from an answer to the last client's receipt, of what was answered after a moment."""
        answered = {
            publish.mark: publish.answered_at
            for publish in self.publishes
            if publish.answered_at is not None and publish.answered_at >= since
        }
        return max((r.at - answered[r.mark] for client in self.clients for r in client.receipts if r.mark in answered), default=0.0)

    def clients_by_subscriber(self) -> defaultdict[str, list[Client]]:
        found: defaultdict[str, list[Client]] = defaultdict(list)
        for client in self.clients:
            found[client.subscriber].append(client)
        return found

    def faults(self) -> list[Fault]:
        """Everything that broke a rule, after the clients have caught up."""
        by_mark = {publish.mark: publish for publish in self.publishes}
        return [
            *lost(self),
            *twice(self),
            *torn(self),
            *falling(self),
            *swapped(self, by_mark),
            *disagreeing(self),
            *strange(self, by_mark),
        ]


def summary(faults: Iterable[Fault]) -> dict[str, int]:
    return dict(Counter(fault.rule for fault in faults))


def lost(history: History) -> Iterator[Fault]:
    by_subscriber = history.clients_by_subscriber()
    for publish in history.publishes:
        if publish.outcome == "accepted":
            for name in sorted(publish.audience):
                for client in by_subscriber[name]:
                    if publish.id is None or not client.has(publish.id):
                        yield Fault("lost", f"{publish.mark} ({publish.id}) never reached {name}")


def ids_of_marks(history: History) -> dict[str, set[str]]:
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for client in history.clients:
        for receipt in client.receipts:
            ids[receipt.mark].add(receipt.id)
        for identity, mark in client.snapshots.items():
            ids[mark].add(identity)
    return ids


def twice(history: History) -> Iterator[Fault]:
    ids = ids_of_marks(history)
    for publish in history.publishes:
        known = ids.get(publish.mark, set()) | ({publish.id} if publish.id is not None else set())
        if len(known) > 1:
            yield Fault("twice", f"{publish.mark} went out as {sorted(known)}")
        if publish.outcome == "refused" and known:
            yield Fault("twice", f"{publish.mark} was refused and yet went out as {sorted(known)}")


def torn(history: History) -> Iterator[Fault]:
    ids = ids_of_marks(history)
    by_subscriber = history.clients_by_subscriber()
    for publish in history.publishes:
        if publish.outcome == "unknown" and (known := ids.get(publish.mark)):
            without = [c.subscriber for name in publish.audience for c in by_subscriber[name] if not any(c.has(one) for one in known)]
            if without:
                yield Fault("torn", f"{publish.mark}, of unknown outcome, reached some but not {sorted(without)}")


def falling(history: History) -> Iterator[Fault]:
    for client in history.clients:
        resets = iter([*client.resets, len(client.receipts) + 1])
        next_reset = next(resets)
        for index in range(1, len(client.receipts)):
            before, after = client.receipts[index - 1], client.receipts[index]
            is_reset = False
            while next_reset <= index:
                is_reset, next_reset = True, next(resets)
            if before.place.epoch != after.place.epoch:
                if not is_reset:
                    yield Fault("falling", f"{client.subscriber}: {after.place.epoch} followed {before.place.epoch} without a reset")
            elif after.place.position <= before.place.position and not is_reset:
                yield Fault(
                    "falling",
                    f"{client.subscriber}: {after.place} after {before.place} (connections {before.connection}, {after.connection})",
                )


def swapped(history: History, by_mark: dict[str, Publish]) -> Iterator[Fault]:
    for client in history.clients:
        # Of each publisher the publish that arrived last, in the order of what it sent.
        newest: dict[str, Publish] = {}
        seen: set[str] = set()
        for receipt in client.receipts:
            publish = by_mark.get(receipt.mark)
            if publish is None or receipt.id in seen:
                continue
            seen.add(receipt.id)
            before = newest.get(publish.publisher)
            if before is None or publish.number > before.number:
                newest[publish.publisher] = publish
            # One whose answer never came was perhaps still on its way when the next was sent.
            elif publish.outcome == "accepted" and publish.answered_at is not None and publish.answered_at <= before.sent_at:
                yield Fault("swapped", f"{client.subscriber} received {publish.mark} after {before.mark}")


def disagreeing(history: History) -> Iterator[Fault]:
    places: dict[tuple[str, str], int] = {}
    owners: dict[Place, str] = {}
    for client in history.clients:
        for receipt in client.receipts:
            position = places.setdefault((receipt.id, receipt.place.epoch), receipt.place.position)
            if position != receipt.place.position:
                yield Fault("disagree", f"{receipt.mark} ({receipt.id}) stands at {position} and at {receipt.place.position}")
            if owners.setdefault(receipt.place, receipt.id) != receipt.id:
                yield Fault("disagree", f"{receipt.place} is {owners[receipt.place]} and {receipt.id}")


def strange(history: History, by_mark: dict[str, Publish]) -> Iterator[Fault]:
    for client in history.clients:
        for mark in {receipt.mark for receipt in client.receipts}:
            publish = by_mark.get(mark)
            if publish is None:
                yield Fault("strange", f"{client.subscriber} received {mark}, which nobody sent")
            elif client.subscriber not in publish.audience:
                yield Fault("strange", f"{client.subscriber} received {mark}, which was not for them")
