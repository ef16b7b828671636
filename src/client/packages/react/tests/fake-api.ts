/** The API behind `fetch`, as far as an inbox asks it: a page of items, the counts, marks, and a stream that a test speaks on. */

import type { Item, Token } from "@tidings/react";
import { vi } from "vitest";

export interface FakeApi {
  items: Item[];
  /** As in "POST /v1/inbox/read", in their order. */
  requests: string[];
  /** A token that it does not take. */
  refused: string | null;
  /** Streams that are open now. */
  streams: Set<ReadableStreamDefaultController<Uint8Array>>;
  /** Say it on all streams. */
  tell(event: string, data: unknown): void;
  token: Exclude<Token, string>;
}

export const URL_OF_API = "https://tidings.example";

/** In place of the global `fetch`, until vitest takes that back. */
export function fakeApi(...items: Item[]): FakeApi {
  let position = 7;
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  const api: FakeApi = {
    items,
    requests: [],
    refused: null,
    streams: new Set(),
    tell(event, data) {
      position += 1;
      for (const stream of api.streams) stream.enqueue(encode(`event: ${event}\nid: epoch.${position}\ndata: ${JSON.stringify(data)}\n\n`));
    },
    token: vi.fn(() => "a token"),
  };

  function counts(): { total: number; unseen: number; unread: number } {
    const { length } = api.items;
    return { total: length, unseen: length, unread: api.items.filter((one) => one.read_at === null).length };
  }

  function read(ids: string[]): unknown {
    api.items = api.items.map((one) => (ids.includes(one.id) ? { ...one, read_at: "2025-11-25T12:00:00Z" } : one));
    return { changed: ids.length, counts: counts() };
  }

  function stream(signal: AbortSignal | null | undefined): Response {
    let mine: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        mine = controller;
        api.streams.add(controller);
        const ready = { stream: "s", expires_at: new Date(Date.now() + 900_000).toISOString() };
        controller.enqueue(encode(`event: ready\ndata: ${JSON.stringify(ready)}\n\n`));
      },
    });
    signal?.addEventListener("abort", () => {
      api.streams.delete(mine);
      mine.error(signal.reason);
    });
    return new Response(body);
  }

  vi.stubGlobal("fetch", async (input: string, init: RequestInit = {}) => {
    const { pathname } = new URL(input);
    api.requests.push(`${init.method ?? "GET"} ${pathname}`);
    if (new Headers(init.headers).get("Authorization") === `Bearer ${api.refused}`) return refusal();
    if (pathname === "/v1/stream") return stream(init.signal);
    if (pathname === "/v1/inbox/counts") return Response.json(counts());
    if (pathname === "/v1/inbox/read") return Response.json(read((JSON.parse(String(init.body)) as { ids: string[] }).ids));
    return Response.json({ items: api.items, next: null, cursor: "epoch.7" });
  });
  return api;
}

const refusal = (): Response => new Response("{}", { status: 401, headers: { "Content-Type": "application/problem+json" } });

export function item(n: number, over: Partial<Item> = {}): Item {
  return {
    id: `0190000${n}-0000-7000-8000-000000000000`,
    title: `Number ${n}`,
    body: null,
    url: null,
    data: null,
    category: null,
    priority: "normal",
    collapse_key: null,
    expires_at: null,
    created_at: "2025-11-25T11:00:00Z",
    seen_at: null,
    read_at: null,
    archived_at: null,
    ...over,
  };
}
