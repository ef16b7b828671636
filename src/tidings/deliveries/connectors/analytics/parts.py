"""Messages in as few requests as a service's limits allow; one that spoils a request is found and does not hold up the others."""

from collections.abc import Awaitable, Callable, Iterator, Sequence

import msgspec

from tidings.deliveries.ledger.outcome import Outcome


class Message(msgspec.Struct, frozen=True):
    """id: of its delivery.   body: encoded JSON."""

    id: str
    body: bytes


class Limits(msgspec.Struct, frozen=True):
    """most: messages in a request.   most_bytes: of them together, with the commas between.   most_each: bytes of one."""

    most: int
    most_bytes: int
    most_each: int


Request = Callable[[Sequence[Message]], Awaitable[Outcome]]


async def in_parts(messages: Sequence[Message], limits: Limits, request: Request) -> dict[str, Outcome]:
    """The outcome of each message, by its id. request: sends these together, and answers what became of them all."""
    outcomes = {message.id: too_large(message, limits) for message in messages if len(message.body) > limits.most_each}
    for part in parts([message for message in messages if message.id not in outcomes], limits):
        outcomes |= await narrowed_down(part, request)
    return outcomes


def parts(messages: Sequence[Message], limits: Limits) -> Iterator[list[Message]]:
    part: list[Message] = []
    size = 0
    for message in messages:
        if part and (len(part) == limits.most or size + len(message.body) > limits.most_bytes):
            yield part
            part, size = [], 0
        part.append(message)
        size += len(message.body) + 1
    if part:
        yield part


async def narrowed_down(messages: Sequence[Message], request: Request) -> dict[str, Outcome]:
    """Those that are refused together are sent again by halves: one among them may be why. What was taken is known by its id."""
    outcome = await request(messages)
    if outcome.kind != "refused" or len(messages) == 1:
        return {message.id: outcome for message in messages}
    middle = len(messages) // 2
    return await narrowed_down(messages[:middle], request) | await narrowed_down(messages[middle:], request)


def too_large(message: Message, limits: Limits) -> Outcome:
    detail = f"The event is {len(message.body)} bytes; the service takes {limits.most_each}."
    return Outcome(kind="refused", reason="too_large", detail=detail)
