import { Refused } from "@tidings/client";
import { expect, test } from "vitest";
import { createInbox } from "../src/store/inbox";
import { createClock, createServer, idOf, item, notification, READ, settled } from "./fakes";
import { many, numbers, opened } from "./opened";

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
