"""The page's reader of Server-Sent Events, in the browser that it runs in."""

import asyncio

from demo.demo_page import DemoPage
from running import Project

WIRE = (
    '﻿retry: 1500\nid: e.1\nevent: notification\ndata: {"a": 1}\n\n'
    ": a comment\r\n\r\n"
    "data:one\rdata: two\r\rid: nul\0l\ndata\n\n"
    "event: nothing\n\n"
    "id: e.2\n\n"
    "unknown: field\ndata:  spaced\nid\n\n"
    "data: unfinished"
)
EVENTS = [
    ["notification", '{"a": 1}', "e.1"],
    ["message", "one\ntwo", None],
    ["message", "", None],
    ["message", "", "e.2"],
    ["message", " spaced", ""],
]
# Every way to cut the text in two, and every character alone.
PARSE = """async (wire) => {
    const { EventParser } = await import("/demo/assets/stream.js");
    const parse = (pieces) => {
        const events = [], comments = [], retries = [];
        const onEvent = ({ type, data, id }) => events.push([type, data, id]);
        const parser = new EventParser(onEvent, (text) => comments.push(text), (ms) => retries.push(ms));
        const decoder = new TextDecoder();
        for (const piece of pieces) parser.push(decoder.decode(new TextEncoder().encode(piece), { stream: true }));
        return JSON.stringify({ events, comments, retries });
    };
    const cuts = Array.from(wire, (_, at) => [wire.slice(0, at), wire.slice(at)]);
    return [...new Set([...cuts, [...wire]].map(parse))].map((text) => JSON.parse(text));
}"""

# Tokens of four seconds: without renewal the stream would end twice.
LISTEN = """async () => {
    const { LiveStream } = await import("/demo/assets/stream.js");
    window.heard = [];
    const credential = async () => ({ token: await window.mint(4), expiresAt: Date.now() + 4000 });
    const onEvent = ({ type, data }) => window.heard.push([type, JSON.parse(data).title]);
    window.stream = new LiveStream({ url: "/v1/stream", credential, onState: () => {}, onEvent });
    window.stream.start();
}"""


async def test_events_are_the_same_wherever_the_chunks_are_cut(demo: DemoPage) -> None:
    outcomes = await demo.page.evaluate(PARSE, WIRE)

    assert outcomes == [{"events": EVENTS, "comments": ["a comment"], "retries": [1500]}]


async def test_a_stream_outlives_its_tokens(demo: DemoPage, demo_project: Project) -> None:
    await demo.page.expose_function("mint", lambda ttl: demo_project.token("carol", int(ttl)))
    await demo.page.evaluate(LISTEN)
    await asyncio.sleep(9)  # two lives of a token
    await demo_project.publish("Still here", ["carol"])
    await demo.page.wait_for_function("() => window.heard.some(([type]) => type === 'notification')")

    heard = await demo.page.evaluate("() => { window.stream.stop(); return window.heard; }")

    assert [one for one in heard if one[0] != "inbox.counts"] == [["ready", None], ["notification", "Still here"]]
