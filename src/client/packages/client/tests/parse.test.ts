import { describe, expect, it } from "vitest";
import { parser } from "../src/parse";
import type { Message } from "../src/types";

const WIRE =
  'retry: 1500\nid: e.1\nevent: ready\ndata: {"stream":"s"}\n\n: \n\nid: e.2\r\nevent: notification\r\ndata: {"title":"Ünïcode"}\r\n\r\nevent: inbox.counts\rdata: {"total":1}\r\r';

const EXPECTED: Message[] = [
  { type: "ready", data: { stream: "s" }, id: "e.1" },
  { type: "notification", data: { title: "Ünïcode" }, id: "e.2" },
  { type: "inbox.counts", data: { total: 1 }, id: null },
];

function parse(pieces: string[]): { messages: Message[]; retries: number[] } {
  const messages: Message[] = [];
  const retries: number[] = [];
  const read = parser(
    (message) => messages.push(message),
    (ms) => retries.push(ms),
  );
  pieces.forEach(read);
  return { messages, retries };
}

describe("the parser", () => {
  it("reads events whichever way the text was cut", () => {
    for (let first = 0; first <= WIRE.length; first++) {
      for (const second of [first, first + 1, first + 7]) {
        const pieces = [WIRE.slice(0, first), WIRE.slice(first, second), WIRE.slice(second)];
        expect(parse(pieces)).toEqual({ messages: EXPECTED, retries: [1500] });
      }
    }
  });

  it("joins several data lines, and strips one space only", () => {
    expect(parse(['data: {"a":\ndata:  1}\n\n']).messages).toEqual([{ type: "message", data: { a: 1 }, id: null }]);
  });

  it("keeps an unfinished event to itself", () => {
    expect(parse(["id: e.1\nevent: notification\ndata: {}\n"]).messages).toEqual([]);
  });

  it("passes over what it does not know, and a retry that is no number", () => {
    expect(parse(["unknown: x\nretry: soon\nno colon\n\n"])).toEqual({ messages: [], retries: [] });
  });
});
