import { Refused } from "@tidings/client";
import { expect, test } from "vitest";
import { createInbox, type Inbox } from "../src/store/inbox";
import type { Item } from "../src/store/state";
import { counts, createClock, createServer, idOf, item, notification, READ, settled, type FakeServer } from "./fakes";

const numbers = (inbox: Inbox): number[] => inbox.getState().items.map(({ id }) => Number(id.slice(4, 8)));
const many = (count: number, over: (n: number) => Partial<Item> = () => ({})): Item[] =>
  Array.from({ length: count }, (_, index) => item(index + 1, over(index + 1)));

async function opened(...items: Item[]): Promise<{ inbox: Inbox; server: FakeServer; clock: ReturnType<typeof createClock> }> {
  const server = createServer(...items);
  const clock = createClock();
  const inbox = createInbox(server.connection, clock);
  await inbox.load();
  return { inbox, server, clock };
}

test("the first page is read, and the stream begins at its cursor", async () => {
  const { inbox, server } = await opened(...many(30));
  expect(numbers(inbox)).toHaveLength(25);
  expect(numbers(inbox)[0]).toBe(30);
  expect(inbox.getState()).toMatchObject({ hasMore: true, status: { name: "ready" }, counts: { unread: 30 } });
  expect(server.startedAt).toBe("epoch.7");
});

test("the state is the same object until something changes", async () => {
  const { inbox } = await opened(item(1));
  const before = inbox.getState();
  expect(inbox.getState()).toBe(before);
  inbox.markRead([idOf(1)]);
  expect(inbox.getState()).not.toBe(before);
});

test("events that come while a page is read are applied on top of it", async () => {
  const server = createServer(item(1), item(2));
  const inbox = createInbox(server.connection, createClock());
  const answer = server.hold("/v1/inbox");
  const loading = inbox.load();
  server.emit("notification", notification(3));
  server.emit("notification.retracted", { id: idOf(1), reason: "retracted" });
  await settled();
  expect(numbers(inbox)).toEqual([]);
  answer();
  await loading;
  expect(numbers(inbox)).toEqual([3, 2]);
});

test("further pages follow without a gap", async () => {
  const { inbox } = await opened(...many(60));
  await inbox.loadMore();
  await inbox.loadMore();
  await inbox.loadMore();
  expect(numbers(inbox)).toEqual(many(60).map((_, index) => 60 - index));
  expect(inbox.getState().hasMore).toBe(false);
});

test("a mark shows at once and is sent", async () => {
  const { inbox, server } = await opened(item(1), item(2));
  inbox.markRead([idOf(1)]);
  expect(inbox.getState().counts.unread).toBe(1);
  await settled();
  expect(server.requests.at(-1)).toBe(`POST /v1/inbox/read {"ids":["${idOf(1)}"]}`);
  expect(server.items.get(idOf(1))?.read_at).not.toBe(null);
});

test("a click is told at once, beside a mark that hangs, and a refusal says nothing", async () => {
  const { inbox, server } = await opened(item(1));
  server.hold("/v1/inbox/read");
  server.failing.set("/v1/inbox/clicked", () => new Refused(422, "No."));
  inbox.markRead([idOf(1)]);
  const before = inbox.getState();
  inbox.markClicked([idOf(1)]);
  await settled();
  expect(server.requests.at(-1)).toBe(`POST /v1/inbox/clicked {"ids":["${idOf(1)}"]}`);
  expect(inbox.getState()).toBe(before);
});

test("a click survives a network that is away for a while, and is told once", async () => {
  const { inbox, server, clock } = await opened(item(1));
  const told = (): string[] => server.requests.filter((request) => request.includes("/clicked"));
  server.failing.set("/v1/inbox/clicked", () => new TypeError("Failed to fetch"));
  inbox.markClicked([idOf(1)]);
  await clock.pass(120_000);
  expect(told().length).toBeGreaterThan(5);
  server.failing.clear();
  await clock.pass(60_000);
  const tries = told().length;
  await clock.pass(600_000);
  expect(told()).toHaveLength(tries);
});

test("a click is not told for ever to a server that cannot take it", async () => {
  const { inbox, server, clock } = await opened(item(1));
  server.failing.set("/v1/inbox/clicked", () => new Refused(503, "Later."));
  inbox.markClicked([idOf(1)]);
  await clock.pass(600_000);
  expect(server.requests.filter((request) => request.includes("/clicked"))).toHaveLength(5);
});

test("without a network so many clicks wait, and no more", async () => {
  const { inbox, server, clock } = await opened(item(1));
  server.failing.set("/v1/inbox/clicked", () => new TypeError("Failed to fetch"));
  for (let click = 0; click < 150; click += 1) inbox.markClicked([idOf(1)]);
  await settled();
  server.failing.clear();
  const before = server.requests.length;
  await clock.pass(60_000);
  expect(server.requests.length - before).toBe(100);
});

test.each(["another person", "closed"])("a click that waits is not told any more: %s", async (why) => {
  const { inbox, server, clock } = await opened(item(1));
  server.failing.set("/v1/inbox/clicked", () => new TypeError("Failed to fetch"));
  inbox.markClicked([idOf(1)]);
  await settled();
  // And one that is on its way.
  const answer = server.hold("/v1/inbox/clicked");
  inbox.markClicked([idOf(1)]);
  await settled();
  if (why === "closed") inbox.close();
  else server.emit("reset", { reason: "person", cursor: "e.1" });
  answer();
  await settled();
  server.failing.clear();
  await clock.pass(600_000);
  expect(server.requests.filter((request) => request.includes("/clicked"))).toHaveLength(2);
});

test("a mark that changes nothing is not sent", async () => {
  const { inbox, server } = await opened(item(1, READ));
  const before = server.requests.length;
  inbox.markRead([idOf(1)]);
  inbox.markSeen([idOf(1)]);
  inbox.unarchive([idOf(1)]);
  await settled();
  expect(server.requests).toHaveLength(before);
});

test("a refused mark is taken back, with the server's word for it", async () => {
  const { inbox, server, clock } = await opened(item(1));
  server.failing.set("/v1/inbox/archive", () => new Refused(403, "Not yours."));
  inbox.archive([idOf(1)]);
  expect(numbers(inbox)).toEqual([]);
  await settled();
  expect(numbers(inbox)).toEqual([1]);
  expect(inbox.getState()).toMatchObject({ canUndo: null, refusal: { change: "archived", why: "Not yours." }, counts: { unread: 1 } });
  await clock.pass(6000);
  expect(inbox.getState().refusal).toBe(null);
});

test("what happened meanwhile stays when a mark is taken back", async () => {
  const { inbox, server } = await opened(item(1));
  server.failing.set("/v1/inbox/archive", () => new Refused(403, "No."));
  const answer = server.hold("/v1/inbox/archive");
  inbox.archive([idOf(1)]);
  server.emit("notification", notification(2));
  await settled();
  expect(numbers(inbox)).toEqual([2]);
  answer();
  await settled();
  expect(numbers(inbox)).toEqual([2, 1]);
});

test("a mark is tried again while the network is away, in order", async () => {
  const { inbox, server, clock } = await opened(item(1));
  server.failing.set("/v1/inbox/read", () => new TypeError("Failed to fetch"));
  inbox.markRead([idOf(1)]);
  inbox.markUnread([idOf(1)]);
  await clock.pass(10_000);
  expect(inbox.getState().refusal).toBe(null);
  server.failing.clear();
  await clock.pass(40_000);
  expect(server.requests.slice(-2).map((request) => request.split(" ")[1])).toEqual(["/v1/inbox/read", "/v1/inbox/unread"]);
  expect(server.items.get(idOf(1))?.read_at).toBe(null);
});

test("a mark that the server fails at is taken back after a while", async () => {
  const { inbox, server, clock } = await opened(item(1));
  server.failing.set("/v1/inbox/read", () => new Refused(503, "Unavailable."));
  inbox.markRead([idOf(1)]);
  await clock.pass(30_000);
  expect(inbox.getState().counts.unread).toBe(1);
});

test("archived within six seconds of each other are one thing to undo", async () => {
  const { inbox, server, clock } = await opened(item(1), item(2), item(3));
  inbox.archive([idOf(3)]);
  await clock.pass(3000);
  inbox.archive([idOf(2)]);
  expect(inbox.getState().canUndo).toMatchObject({ change: "archived", count: 2 });
  inbox.undo();
  expect(numbers(inbox)).toEqual([3, 2, 1]);
  await settled();
  expect([...server.items.values()].every((one) => one.archived_at === null)).toBe(true);
  expect(inbox.getState().canUndo).toBe(null);
});

test("the time to undo ends", async () => {
  const { inbox, clock } = await opened(item(1));
  inbox.archive([idOf(1)]);
  await clock.pass(6000);
  expect(inbox.getState().canUndo).toBe(null);
  inbox.undo();
  expect(numbers(inbox)).toEqual([]);
});

test("the time to undo stands still while one is at it, and begins anew after that", async () => {
  const { inbox, clock } = await opened(item(1), item(2));
  inbox.archive([idOf(1)]);
  await clock.pass(5000);
  inbox.pauseUndo(true);
  await clock.pass(60_000);
  inbox.archive([idOf(2)]);
  await clock.pass(60_000);
  expect(inbox.getState().canUndo).toMatchObject({ count: 2 });
  inbox.pauseUndo(false);
  await clock.pass(5999);
  expect(inbox.getState().canUndo).not.toBe(null);
  await clock.pass(1);
  expect(inbox.getState().canUndo).toBe(null);
});

test("all read is sent at once when all unread items are known, and undone by name", async () => {
  const { inbox, server } = await opened(item(1, READ), item(2), item(3));
  inbox.markAllRead();
  await settled();
  expect(server.requests.at(-1)).toBe(`POST /v1/inbox/read {"up_to":"${idOf(3)}"}`);
  inbox.undo();
  await settled();
  expect([...server.items.values()].map((one) => one.read_at !== null)).toEqual([true, false, false]);
  expect(inbox.getState().counts.unread).toBe(2);
});

test("all read waits for the time to undo when there is more than is known, and undo sends nothing", async () => {
  const { inbox, server, clock } = await opened(...many(40));
  const before = server.requests.length;
  inbox.markAllRead();
  await settled();
  expect(server.requests).toHaveLength(before);
  expect(inbox.getState().items.every((one) => one.read_at !== null)).toBe(true);
  inbox.undo();
  expect(inbox.getState().counts.unread).toBe(40);
  await clock.pass(7000);
  expect(server.requests).toHaveLength(before);
});

test("all read shows no unread at once, however many there are, and is sent when the time is over", async () => {
  const { inbox, server, clock } = await opened(...many(40));
  inbox.markAllRead();
  expect(inbox.getState().counts.unread).toBe(0);
  await clock.pass(6000);
  expect(counts(server.items).unread).toBe(0);
});

test("all read is sent before the page goes", async () => {
  const { inbox, server } = await opened(...many(40));
  inbox.markAllRead();
  inbox.settle();
  await settled();
  expect(counts(server.items).unread).toBe(0);
});

test("all read reaches up to the newest item kept when the newest shown was live only", async () => {
  const { inbox, server } = await opened(item(1));
  server.emit("notification", notification(2));
  await settled();
  server.emit("inbox.counts", { total: 2, unseen: 2, unread: 2 });
  await settled();
  inbox.markAllRead();
  await settled();
  expect(server.requests.at(-1)).toBe(`POST /v1/inbox/read {"up_to":"${idOf(1)}"}`);
  expect(inbox.getState().refusal).toBe(null);
});

test("more than a thousand ids go in several requests", async () => {
  const { inbox, server } = await opened(...many(2100));
  while (inbox.getState().hasMore) await inbox.loadMore();
  inbox.archive(inbox.getState().items.map(({ id }) => id));
  await settled();
  await settled();
  const sizes = server.requests.filter((request) => request.startsWith("POST")).map((request) => request.match(/"0190/g)?.length);
  expect(sizes).toEqual([1000, 1000, 100]);
});

test("an item read in the unread view stays until one looks anew", async () => {
  const { inbox } = await opened(item(1), item(2));
  inbox.setView("unread");
  await settled();
  inbox.markRead([idOf(2)]);
  await settled();
  expect(numbers(inbox)).toEqual([2, 1]);
  inbox.tidy();
  expect(numbers(inbox)).toEqual([1]);
});

test("views share what is known, and a category has its own list", async () => {
  const { inbox, server } = await opened(...many(60, (n) => ({ category: n % 10 === 0 ? "billing" : "builds" })));
  inbox.setCategory("billing");
  await settled();
  expect(numbers(inbox)).toEqual([60, 50, 40, 30, 20, 10]);
  inbox.setCategory(null);
  await settled();
  expect(numbers(inbox)).toHaveLength(25); // nothing with gaps between
  const before = server.requests.length;
  inbox.setCategory("billing");
  await settled();
  expect(server.requests).toHaveLength(before);
  expect(inbox.getState().categories).toEqual(["billing", "builds"]);
});

test("an archived item moves to the archived view, and back", async () => {
  const { inbox } = await opened(item(1), item(2));
  inbox.setView("archived");
  await settled();
  inbox.archive([idOf(2)]);
  expect(numbers(inbox)).toEqual([2]);
  inbox.unarchive([idOf(2)]);
  expect(numbers(inbox)).toEqual([]);
});

test("unread first means all that is unread, however far down", async () => {
  const { inbox } = await opened(...many(80, (n) => (n === 3 || n === 70 ? {} : READ)));
  inbox.setSort("unread");
  await settled();
  expect(numbers(inbox).slice(0, 3)).toEqual([70, 3, 80]);
  expect(inbox.getState().leading).toBe(2);
});

test("a mark of another device that concerns an unknown item is answered by a fresh read", async () => {
  const { inbox, server } = await opened(item(2));
  server.items.set(idOf(1), item(1));
  const counted = { total: 2, unseen: 2, unread: 2 };
  server.emit("notification.updated", { change: "unarchived", at: "2025-11-25T12:00:00Z", changed: 1, counts: counted, ids: [idOf(1)] });
  await settled();
  expect(numbers(inbox)).toEqual([2, 1]);
});

test("a reset reads afresh; what was shown stays until then", async () => {
  const { inbox, server } = await opened(...many(160));
  await inbox.loadMore();
  server.items.delete(idOf(160));
  const answer = server.hold("/v1/inbox");
  server.emit("reset", { reason: "retention", cursor: "e.1" });
  expect(numbers(inbox)).toHaveLength(125);
  answer();
  await settled();
  expect(numbers(inbox)).toHaveLength(125); // as many as there were
  expect(numbers(inbox)[0]).toBe(159);
});

test("what was another person's is gone at once, and their marks are never sent", async () => {
  // More than is known here, so that "all read" waits for the time to undo.
  const { inbox, server, clock } = await opened(...many(40));
  inbox.markAllRead();
  expect(inbox.getState().canUndo).not.toBeNull();
  const answer = server.hold("/v1/inbox");
  server.emit("reset", { reason: "person", cursor: "e.1" });
  await settled();
  expect(numbers(inbox)).toEqual([]);
  expect(inbox.getState().canUndo).toBeNull();
  answer();
  await clock.pass(60_000);
  expect(server.requests.filter((request) => request.startsWith("POST"))).toEqual([]);
  expect(numbers(inbox)[0]).toBe(40);
});

test("a page that comes after a reset is not joined to what was read afresh", async () => {
  const { inbox, server } = await opened(...many(60));
  const answer = server.hold("/v1/inbox");
  const more = inbox.loadMore();
  server.emit("reset", { reason: "retention", cursor: "e.1" });
  answer();
  await more;
  await settled();
  expect(numbers(inbox)).toEqual(many(60).map((_, index) => 60 - index).slice(0, numbers(inbox).length));
});

test("a failed read is tried again by itself, a refused one is not", async () => {
  const server = createServer(item(1));
  const clock = createClock();
  const inbox = createInbox(server.connection, clock);
  server.failing.set("/v1/inbox", () => new TypeError("Failed to fetch"));
  await inbox.load();
  expect(inbox.getState().status).toEqual({ name: "failed", why: "Failed to fetch", willRetry: true });
  server.failing.set("/v1/inbox", () => new Refused(403, "No."));
  await clock.pass(5000);
  expect(inbox.getState().status).toEqual({ name: "failed", why: "No.", willRetry: false });
  server.failing.clear();
  await clock.pass(60_000);
  expect(numbers(inbox)).toEqual([]);
  await inbox.load();
  expect(numbers(inbox)).toEqual([1]);
});

test("arrivals are told once, together", async () => {
  const { inbox, server } = await opened(item(1));
  const told: number[] = [];
  inbox.onArrival((items) => told.push(items.length));
  for (const n of [2, 3, 3, 4]) server.emit("notification", notification(n));
  await settled();
  expect(told).toEqual([3]);
});

test("nothing is heard after it was closed", async () => {
  const { inbox, server } = await opened(item(1));
  let changes = 0;
  inbox.subscribe(() => (changes += 1));
  inbox.close();
  server.emit("notification", notification(2));
  await settled();
  expect(changes).toBe(0);
});
