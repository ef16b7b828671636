// @vitest-environment happy-dom
/** Pages of one browser before a server that is made up here: whose they are, and what they tell each other. */

import { connect, Refused, type Connection, type Reset, type State } from "@tidings/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const URL_OF_API = "https://tidings.example";

let server: FakeServer;
let opened: Connection[];

beforeEach(() => {
  vi.useFakeTimers();
  server = fakeServer();
  opened = [];
  vi.stubGlobal("fetch", server.fetch);
  vi.stubGlobal("BroadcastChannel", FakeChannel);
  vi.stubGlobal("navigator", { onLine: true, locks: fakeLocks() });
});

afterEach(() => {
  opened.forEach((connection) => connection.close());
  localStorage.clear();
  FakeChannel.all.clear();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("another person's token", () => {
  it("begins anew as that person, from where things stand for them, and says so", async () => {
    const page = await open(() => server.signedIn);
    const { resets } = page;
    server.signedIn = "bob";
    server.revoked = "alice";
    await page.connection.fetch("/v1/inbox/counts").catch(() => undefined);
    await vi.advanceTimersByTimeAsync(2000);

    expect(page.connection.state.name).toBe("live");
    expect(page.connection.cursor).toBe("bob.1");
    expect(resets).toEqual([{ reason: "person", cursor: "bob.1" }]);
    expect(server.requests.filter((request) => request.startsWith("bob") && request.includes("alice."))).toEqual([]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(localStorage.getItem(keyOf("alice"))).toBe("alice.1");
    expect(localStorage.getItem(keyOf("bob"))).toBe("bob.1");
  });

  it("finishes nothing that was begun for the one before", async () => {
    const { connection } = await open(() => server.signedIn);
    server.signedIn = "bob";
    server.revoked = "alice";
    const mark = connection.fetch("/v1/inbox/read", { method: "POST", body: "{}" });
    await expect(mark).rejects.toThrow(Refused);
    await vi.advanceTimersByTimeAsync(2000);
    expect(server.requests.filter((request) => request.includes("/v1/inbox/read"))).toEqual(["alice /v1/inbox/read"]);
    await connection.fetch("/v1/inbox/counts");
    expect(server.requests.at(-1)).toBe("bob /v1/inbox/counts");
  });

  it("joins the tabs of that person, and leaves those of the one before", async () => {
    const first = await open(() => server.signedIn);
    const second = await open(() => "alice");
    expect(first.connection.isLeader).toBe(true);
    server.signedIn = "bob";
    await vi.advanceTimersByTimeAsync(900_000);
    const third = await open(() => "bob");
    expect([first, second, third].map(({ connection }) => connection.isLeader)).toEqual([true, true, false]);
  });

  it("is told again until the server answers, and also to a page that was paused meanwhile", async () => {
    const { connection, resets } = await open(() => server.signedIn);
    connection.pause();
    server.signedIn = "bob";
    server.revoked = "alice";
    await connection.fetch("/v1/inbox/counts").catch(() => undefined);
    server.isDown = true;
    connection.start("alice.1");
    await vi.advanceTimersByTimeAsync(5000);
    expect(connection.state.name).toBe("waiting");
    server.isDown = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(resets).toEqual([{ reason: "person", cursor: "bob.1" }]);
    expect(connection.cursor).toBe("bob.1");
  });

  it("is not what a new token of the same person is", async () => {
    const { resets, states } = await open(() => "alice");
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(server.tokens).toBeGreaterThan(1);
    expect(resets).toEqual([]);
    expect(states.filter(({ name }) => name === "live")).toHaveLength(1);
  });
});

it("a follower that asks who leads is told nothing new, and tells nothing", async () => {
  const leader = await open(() => "alice");
  const follower = await open(() => "alice");
  expect([leader, follower].map(({ connection }) => connection.isLeader)).toEqual([true, false]);
  const before = [leader.states.length, follower.states.length];
  const asked = FakeChannel.said;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeChannel.said - asked).toBeGreaterThanOrEqual(8);
  expect([leader.states.length, follower.states.length]).toEqual(before);
});

describe("what others say on the channel", () => {
  const NONSENSE = [
    null,
    5,
    "ask",
    [],
    {},
    { kind: "state" },
    { kind: "message", message: {} },
    { type: "state", data: null, id: null, previous: null },
    { type: "state", data: {}, id: null, previous: null },
    { type: "state", data: { name: "live" }, id: 5, previous: null },
    { type: "notification", data: {}, id: 5, previous: null },
    { type: "notification", data: {}, id: "alice.7" },
    { type: 7, data: {}, id: null, previous: null },
  ];

  it.each(NONSENSE)("%j is nothing to a follower", async (said) => {
    await open(() => "alice");
    const { connection } = await open(() => "alice");
    const { state, cursor } = connection;
    const [name] = [...FakeChannel.all].map((channel) => channel.name);
    expect(() => new FakeChannel(name!).postMessage(said)).not.toThrow();
    expect(connection.state).toBe(state);
    expect(connection.cursor).toBe(cursor);
  });

  it("in another format has another name", async () => {
    await open(() => "alice");
    expect([...FakeChannel.all].map(({ name }) => name)).toEqual([`tidings:${URL_OF_API}:prj:alice:1`]);
  });
});

// A page

async function open(whose: () => string): Promise<{ connection: Connection; states: State[]; resets: Reset[] }> {
  const token = (): string => server.tokenOf(whose());
  const connection = connect({ url: URL_OF_API, token, transports: ["poll"], start: false });
  const states: State[] = [];
  const resets: Reset[] = [];
  connection.on("state", (state) => states.push(state));
  connection.on("reset", (reset) => resets.push(reset));
  connection.start();
  opened.push(connection);
  await vi.advanceTimersByTimeAsync(1000);
  expect(connection.state.name).toBe("live");
  return { connection, states, resets };
}

const keyOf = (person: string): string => `tidings:${URL_OF_API}:prj:${person}:cursor`;

// What it stands on

interface FakeServer {
  fetch: typeof fetch;
  /** As in "alice /v1/inbox/counts". */
  requests: string[];
  tokens: number;
  tokenOf(person: string): string;
  signedIn: string;
  revoked: string | null;
  isDown: boolean;
}

/** Of the API, polls that stand at PERSON.1; what else it is asked it answers with nothing. */
function fakeServer(): FakeServer {
  const json = (body: unknown, status = 200): Response =>
    new Response(JSON.stringify(body), { status, headers: { "Content-Type": status === 200 ? "application/json" : "application/problem+json" } });
  const server: FakeServer = {
    requests: [],
    tokens: 0,
    signedIn: "alice",
    revoked: null,
    isDown: false,
    tokenOf(person) {
      server.tokens += 1;
      return `x.${btoa(JSON.stringify({ sub: person, project: "prj", iat: 0, exp: 900 }))}.${server.tokens}`;
    },
    fetch: async (input, init) => {
      const token = new Headers(init?.headers).get("Authorization")!.split(".")[1]!;
      const { sub } = JSON.parse(atob(token)) as { sub: string };
      const path = String(input).slice(URL_OF_API.length);
      server.requests.push(`${sub} ${path}`);
      if (server.isDown) throw new TypeError("Failed to fetch");
      if (sub === server.revoked) return json({ detail: "revoked" }, 401);
      if (!path.startsWith("/v1/stream/poll")) return json({});
      if (path.includes("wait=25")) await waited(25_000, init?.signal);
      return json({ events: [], cursor: `${sub}.1` });
    },
  };
  return server;
}

function waited(ms: number, signal: AbortSignal | null | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => reject(signal.reason));
  });
}

/** Says it to the others at once. */
class FakeChannel {
  static readonly all = new Set<FakeChannel>();
  static said = 0;
  onmessage: ((event: { data: unknown }) => void) | null = null;

  constructor(readonly name: string) {
    FakeChannel.all.add(this);
  }

  postMessage(data: unknown): void {
    FakeChannel.said += 1;
    for (const other of FakeChannel.all) if (other !== this && other.name === this.name) other.onmessage?.({ data: structuredClone(data) });
  }

  close(): void {
    FakeChannel.all.delete(this);
  }
}

/** One holder for each name, the others in their order. Nobody steals here. */
function fakeLocks(): { request(name: string, options: LockOptions, work: () => Promise<unknown>): Promise<unknown> } {
  const last = new Map<string, Promise<unknown>>();
  return {
    request(name, { signal }, work) {
      const mine = (last.get(name) ?? Promise.resolve()).then(() => {
        if (signal?.aborted) throw new DOMException("aborted", "AbortError");
        return work();
      });
      last.set(name, mine.catch(() => undefined));
      return mine;
    },
  };
}
