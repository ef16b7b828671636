// @vitest-environment happy-dom
/** Which way a page begins with, after what another page of this browser found out. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { TransportName } from "../src/types";
import { Ways } from "../src/ways";

const ALL: TransportName[] = ["fetch", "eventsource", "poll"];
const MINUTE = 60_000;

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterEach(() => {
  localStorage.clear();
  vi.useRealTimers();
});

const next = (): Ways => new Ways(ALL, "way");
const pass = (ms: number): unknown => vi.setSystemTime(Date.now() + ms);

/** As behind a proxy that holds streams back. */
function foundPolls(): Ways {
  const ways = next();
  ways.blame(true);
  ways.blame(true);
  ways.live();
  return ways;
}

it("is the one that worked on the page before", () => {
  foundPolls();
  expect(next().current).toBe("poll");
  expect(next().isWorse).toBe(true);
});

it("is the first again an hour after that was found, however often it was believed since", () => {
  foundPolls();
  for (const _ of [1, 2]) {
    pass(29 * MINUTE);
    const ways = next();
    expect(ways.current).toBe("poll");
    ways.live();
  }
  pass(3 * MINUTE);
  expect(next().current).toBe("fetch");
});

it("is the first again once that works", () => {
  const ways = foundPolls();
  ways.tryBetter();
  ways.live();
  expect(next().current).toBe("fetch");
});

it("is believed until it fails, once; then all are tried from the first", () => {
  foundPolls();
  const ways = next();
  ways.blame(false);
  expect(ways.current).toBe("fetch");
  ways.blame(true);
  expect(ways.current).toBe("eventsource");
});

it("counts as any other once it was live", () => {
  foundPolls();
  const ways = next();
  ways.live();
  ways.blame(false);
  expect(ways.current).toBe("poll");
});

it.each(["", "garbage", "7 1", "-1 1", "2", "2 soon", "1.5 0"])("is the first when %j is remembered", (text) => {
  localStorage.setItem("way", text.replace(/1$/, String(Date.now())));
  expect(next().current).toBe("fetch");
});

it("is not given up sooner because it worked before", () => {
  const ways = foundPolls();
  ways.tryBetter();
  ways.live();
  const again = next();
  again.blame(false);
  expect(again.current).toBe("fetch");
});

it("is not believed for ever when the clock was wrong", () => {
  localStorage.setItem("way", `2 ${Date.now() + 1e12}`);
  expect(next().current).toBe("fetch");
});
