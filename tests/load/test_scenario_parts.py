"""Scenarios are data that is checked; the receiver and the stream reader notice what they are there to notice."""

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from standardwebhooks.webhooks import Webhook

from loadtests.scenarios.receiver import Receiver
from loadtests.scenarios.report import Point, Report, page, table
from loadtests.scenarios.scenario import WrongScenario, known, load
from loadtests.scenarios.sse import Event, Stream
from loadtests.scenarios.tally import Tally, high, together
from loadtests.scenarios.verdict import MEASURED, Bound, verdicts

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PLAN = """
summary = "s"
[users]
publishers = 4
listeners = 1
[[stages]]
seconds = 10
rate = 2
[[stages]]
seconds = 5
rate = 0
[[stages]]
seconds = 5
rate = 8
[thresholds]
lost.most = 0
"""


def test_there_are_six_scenarios_and_each_forbids_loss() -> None:
    assert known() == ["chaos", "smoke", "soak", "spike", "steady", "storm"]
    for name in known():
        thresholds = load(name).thresholds
        assert all(thresholds[what] == Bound(most=0) for what in ("lost", "duplicates", "out_of_order", "strays", "unanswered"))


def test_the_nightly_workflow_runs_scenarios_that_exist() -> None:
    workflow = Path(".github/workflows/nightly.yml").read_text()
    found = re.search(r"scenario: \[(.*)\]", workflow)
    assert found is not None
    assert set(found[1].split(", ")) <= set(known())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("lost.most", "losd.most", "thresholds.losd: is not measured"),
        ("lost.most = 0", "", "thresholds: nothing could fail"),
        ("lost.most = 0", "lost = {}", "needs `most` or `least`"),
        ("rate = 2", "rate = -2", "stages"),
        ('summary = "s"', 'summary = "s"\ntempo = 3', "tempo"),
        ('summary = "s"', 'summary = "s"\nstorms_s = [20]', "the last stage ends after 20 s"),
    ],
)
def test_a_wrong_file_is_refused_by_the_name_of_the_member(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(PLAN.replace(old, new))

    with pytest.raises(WrongScenario, match=re.escape(said)):
        load(str(path))


def test_publishers_keep_the_rate_of_each_stage_together(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(PLAN)
    scenario = load(str(path))
    dues, due = [], 0.0
    while (due := scenario.next_due(due, 1.0)) < scenario.seconds:
        dues.append(due)

    # Of four publishers each sends every other second, then not at all, then twice a second.
    assert dues == [2, 4, 6, 8, 10, 15.5, 16, 16.5, 17, 17.5, 18, 18.5, 19, 19.5]
    assert scenario.planned == 60
    # Half of a wait in the first stage, half of it in the last.
    assert scenario.next_due(9.0, 1.0) == 15.25


def test_a_threshold_holds_only_what_was_measured() -> None:
    bounds = {"lost": Bound(most=0), "reached": Bound(least=0.9), "kills": Bound(least=1)}
    found = verdicts(bounds, {"lost": 0, "reached": 0.8})

    assert [verdict.holds for verdict in found] == [True, False, False]


def test_the_page_says_pass_or_fail_for_each_threshold() -> None:
    found = verdicts({"lost": Bound(most=0), "reached": Bound(least=0.9)}, {"lost": 3, "reached": 1})
    report = Report(
        scenario="mine",
        summary="a < b",
        holds=False,
        verdicts=found,
        measured=dict.fromkeys(MEASURED) | {"lost": 3.0, "reached": 1.0},
        seconds=3,
        processes=1,
        told=["alice: <lost>"],
        failures=[],
        points=[Point(1, 10, 20, None, 4.0, 0, 5), Point(2, 12, 22, 3.0, None, 1, 5)],
    )
    shown = page(report)

    assert (shown.count("✗ fail"), shown.count("✓ pass")) == (1, 1)
    assert "a &lt; b" in shown
    assert "alice: &lt;lost&gt;" in shown
    assert shown.count("<polyline") == 6
    assert table(report).splitlines()[:2] == ["mine: DOES NOT HOLD", "✗ lost                        3   ≤ 0"]
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_processes_add_up_and_the_busiest_is_named() -> None:
    total = together([Tally(accepted=2, cpu=0.3, told=["a"]), Tally(accepted=3, cpu=0.2, told=["b"])])

    assert (total.accepted, total.cpu, total.told) == (5, 0.3, ["a", "b"])


def test_the_percentile_of_what_came_lately() -> None:
    assert high({10: 98, 200: 2}, 0.99) == 200
    assert high({10: 995, 200: 5}, 0.99) == 10
    assert high({10: 0}, 0.99) is None


def signed(identity: str, body: str, secret: str = SECRET) -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(identity, now, body),
    }


def test_the_receiver_counts_what_is_forged_what_comes_again_and_what_it_refuses() -> None:
    body = json.dumps({"data": {"id": "ntf_1"}})
    receiver = Receiver(SECRET, fails=0)
    statuses = [receiver.answer(signed("one", body), body.encode()) for _ in range(2)]
    other = "whsec_" + "A" * 32
    statuses.append(receiver.answer(signed("two", body, other), body.encode()))
    receiver.fails = 1
    statuses.append(receiver.answer(signed("three", body), body.encode()))

    assert statuses == [204, 204, 401, 500]
    assert msgspec.structs.astuple(receiver.figures()) == (1, 1, 1, 1)


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_events_in_pieces_are_read_whole_from_any_proxy(is_chunked: bool) -> None:
    text = b": hello\n\nid: e.1\nevent: notification\ndata: {}\n\nretry: 3\n\nevent: ready\ndata: 1\n\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + (b"Transfer-Encoding: chunked\r\n" if is_chunked else b"") + b"\r\n")
        for start in range(0, len(text), 7):
            piece = text[start : start + 7]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
            await writer.drain()
        writer.close()

    def heard(port: int) -> list[Event]:
        found: list[Event] = []
        with pytest.raises(OSError, match="the stream ended"):
            found.extend(take(Stream(f"http://127.0.0.1:{port}", "token", None), found))
        return found

    def take(stream: Stream, found: list[Event]) -> list[Event]:
        for event in stream.events():
            found.append(event)
        return []

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        events = await asyncio.to_thread(heard, server.sockets[0].getsockname()[1])

    assert events == [Event("notification", "e.1", b"{}"), Event("ready", None, b"1")]
