import { Refused } from "@tidings/client";
import { expect, test } from "vitest";
import { counts, idOf, item, notification, READ, settled } from "./fakes";
import { many, numbers, opened } from "./opened";

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
