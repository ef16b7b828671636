/** The rules that decide: where a cursor stands, when to come back, which way to take, when to renew. */

import { describe, expect, it } from "vitest";
import { claimsOf, lifeOf } from "../src/caller";
import { isOfEpoch, reaches } from "../src/cursor";
import { renewalIn } from "../src/renewal";
import { backOff } from "../src/wait";
import { Ways } from "../src/ways";

describe("a cursor", () => {
  it("reaches what it has passed, and nothing of another epoch", () => {
    expect(reaches("k.10", "k.9")).toBe(true);
    expect(reaches("k.10", "k.10")).toBe(true);
    expect(reaches("k.9", "k.10")).toBe(false);
    expect(reaches("j.99", "k.1")).toBe(false);
    expect(reaches("k.9", null)).toBe(true);
    expect(reaches(null, "k.9")).toBe(false);
  });

  it("compares positions as numbers", () => {
    expect(reaches("k.100", "k.20")).toBe(true);
  });

  it("knows its epoch", () => {
    expect(isOfEpoch("k.1", "k.2")).toBe(true);
    expect(isOfEpoch("j.1", "k.1")).toBe(false);
  });
});

describe("coming back", () => {
  it("waits anything up to twice as long each time, and half a minute at most", () => {
    expect(backOff(0, 1000, 1)).toBe(1000);
    expect(backOff(3, 1000, 1)).toBe(8000);
    expect(backOff(3, 1000, 0.25)).toBe(2000);
    expect(backOff(30, 1000, 1)).toBe(30_000);
    expect(backOff(5, 1000, 0)).toBe(0);
  });
});

describe("ways", () => {
  it("passes over one that is certainly blocked at once", () => {
    const ways = new Ways(["fetch", "eventsource", "poll"], "way");
    expect(ways.blame(true)).toBe(true);
    expect(ways.current).toBe("eventsource");
  });

  it("passes over one that failed twice, unless it was live between", () => {
    const ways = new Ways(["fetch", "poll"], "way");
    expect(ways.blame(false)).toBe(false);
    ways.live();
    expect(ways.blame(false)).toBe(false);
    expect(ways.current).toBe("fetch");
    expect(ways.blame(false)).toBe(true);
    expect(ways.current).toBe("poll");
  });

  it("begins again after the last, with a rest", () => {
    const ways = new Ways(["fetch", "poll"], "way");
    ways.blame(true);
    expect(ways.blame(true)).toBe(false);
    expect(ways.current).toBe("fetch");
  });

  it("tries the first again later, and more seldom each time", () => {
    const ways = new Ways(["fetch", "poll"], "way");
    ways.blame(true);
    const before = ways.betterAfterMs;
    ways.tryBetter();
    expect(ways.isWorse).toBe(false);
    expect(ways.betterAfterMs).toBe(2 * before);
  });
});

describe("a renewal", () => {
  const LIFE = 900_000;

  it("comes a minute before the end, or half way for short lives", () => {
    expect(renewalIn(1_000_000 + LIFE, LIFE, 1_000_000)).toBe(LIFE - 60_000);
    expect(renewalIn(1_000_000 + 20_000, 20_000, 1_000_000)).toBe(10_000);
  });

  it("believes the token's own life where the clock here is wrong", () => {
    expect(renewalIn(1_000_000, LIFE, 9_000_000)).toBe(LIFE - 60_000);
    expect(renewalIn(90_000_000, LIFE, 1_000_000)).toBe(LIFE - 60_000);
  });

  it("is never a busy loop", () => {
    expect(renewalIn(1_000_100, 100, 1_000_000)).toBe(1000);
  });
});

describe("a token", () => {
  const jwt = (claims: object): string => `x.${btoa(JSON.stringify(claims)).replace(/\+/g, "-").replace(/\//g, "_")}.y`;

  it("says whose it is, and how long it lives", () => {
    expect(claimsOf(jwt({ sub: "alice", project: "prj_1" }))).toEqual({ sub: "alice", project: "prj_1" });
    expect(lifeOf(jwt({ iat: 100.5, exp: 160.5 }))).toBe(60);
  });

  it("may be something else", () => {
    expect(claimsOf("opaque")).toEqual({});
    expect(lifeOf("opaque")).toBe(900);
  });
});
