/** A server's inbox in memory behind the client's interface, and a clock that moves when told. */

import { Refused, type Connection, type Events, type Notification, type State } from "@tidings/client";
import type { Clock } from "../src/clock";
import type { Item, Page } from "../src/store/state";

export function createClock(at = Date.parse("2025-11-25T12:00:00Z")): Clock & { pass(ms: number): Promise<void> } {
  let now = at;
  const timers = new Set<{ due: number; then: () => void }>();
  return {
    now: () => now,
    after(ms, then) {
      const timer = { due: now + ms, then };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async pass(ms) {
      const end = now + ms;
      await settled();
      for (;;) {
        const next = [...timers].filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)[0];
        if (!next) break;
        timers.delete(next);
        now = next.due;
        next.then();
        await settled();
      }
      now = end;
    },
  };
}

/** All that was promised has come. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
}

export const idOf = (n: number): string => `0190${String(n).padStart(4, "0")}-0000-7000-8000-000000000000`;

export function notification(n: number, over: Partial<Notification> = {}): Notification {
  return {
    id: idOf(n),
    title: `Number ${n}`,
    body: null,
    url: null,
    data: null,
    category: null,
    priority: "normal",
    collapse_key: null,
    expires_at: null,
    created_at: "2025-11-25T11:00:00Z",
    ...over,
  };
}

export function item(n: number, over: Partial<Item> = {}): Item {
  return { ...notification(n), seen_at: null, read_at: null, archived_at: null, ...over };
}

export const READ = { seen_at: "2025-11-25T11:30:00Z", read_at: "2025-11-25T11:30:00Z" };

export interface FakeServer {
  connection: Connection;
  items: Map<string, Item>;
  requests: string[];
  startedAt: string | null;
  emit<Name extends keyof Events>(name: Name, data: Events[Name]): void;
  /** What requests of this path reject with, from now on. */
  failing: Map<string, () => Error>;
  /** Answers of this path wait until it is called. */
  hold(path: string): () => void;
}

export function createServer(...items: Item[]): FakeServer {
  const listeners = new Map<string, Set<(data: never) => void>>();
  const gates = new Map<string, Promise<void>>();
  const state: State = { name: "connecting", attempt: 0, transport: "fetch" };
  const server: FakeServer = {
    items: new Map(items.map((one) => [one.id, one])),
    requests: [],
    startedAt: null,
    failing: new Map(),
    emit: (name, data) => listeners.get(name)?.forEach((listener) => listener(data as never)),
    hold(path) {
      let open = (): void => {};
      gates.set(path, new Promise((resolve) => (open = resolve)));
      return () => {
        gates.delete(path);
        open();
      };
    },
    connection: {
      state,
      cursor: null,
      isLeader: true,
      on(name, listener) {
        const those = listeners.get(name) ?? new Set();
        listeners.set(name, those.add(listener as (data: never) => void));
        return () => void those.delete(listener as (data: never) => void);
      },
      start: (cursor) => void (server.startedAt ??= cursor ?? null),
      pause() {},
      close() {},
      async fetch(path, init) {
        server.requests.push(`${init?.method ?? "GET"} ${path}${init?.body ? ` ${String(init.body)}` : ""}`);
        const url = new URL(path, "http://test");
        const answer = init?.method === "POST" ? () => mark(server, url, String(init.body)) : read(server, url);
        await gates.get(url.pathname);
        const failure = server.failing.get(url.pathname);
        if (failure) throw failure();
        return Response.json(typeof answer === "function" ? answer() : answer);
      },
    },
  };
  return server;
}

function read({ items }: FakeServer, url: URL): unknown {
  if (url.pathname.endsWith("/counts")) return counts(items);
  const asked = url.searchParams;
  const found = [...items.values()]
    .filter((one) => (one.archived_at !== null) === asked.has("archived"))
    .filter((one) => !asked.has("unread") || one.read_at === null)
    .filter((one) => !asked.has("category") || one.category === asked.get("category"))
    .filter((one) => !asked.has("after") || one.id < String(asked.get("after")))
    .sort((a, b) => (a.id < b.id ? 1 : -1));
  const page = found.slice(0, Number(asked.get("limit")));
  return { items: page, next: found.length > page.length ? (page.at(-1)?.id ?? null) : null, cursor: "epoch.7" } satisfies Page;
}

function mark({ items }: FakeServer, url: URL, body: string): unknown {
  const which = JSON.parse(body) as { ids?: string[]; up_to?: string };
  const at = "2025-11-25T12:00:00Z";
  if (which.up_to !== undefined && !items.has(which.up_to)) throw new Refused(404, "There is no such item in this inbox.");
  for (const one of items.values()) {
    if (which.ids ? !which.ids.includes(one.id) : one.archived_at !== null || one.id > String(which.up_to)) continue;
    items.set(one.id, { ...one, ...CHANGES[url.pathname.split("/").at(-1) ?? ""]?.(at) });
  }
  return { changed: 1, counts: counts(items) };
}

const CHANGES: Record<string, (at: string) => Partial<Item>> = {
  seen: (at) => ({ seen_at: at }),
  read: (at) => ({ seen_at: at, read_at: at }),
  unread: () => ({ read_at: null }),
  archive: (at) => ({ archived_at: at }),
  unarchive: () => ({ archived_at: null }),
};

export function counts(items: ReadonlyMap<string, Item>): { total: number; unseen: number; unread: number } {
  const here = [...items.values()].filter((one) => one.archived_at === null);
  return { total: here.length, unseen: here.filter((one) => !one.seen_at).length, unread: here.filter((one) => !one.read_at).length };
}
