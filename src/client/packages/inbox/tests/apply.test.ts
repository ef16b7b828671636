import { expect, test } from "vitest";
import { applyAll, applyMark, type Fact } from "../src/store/apply";
import type { Item, Known } from "../src/store/state";
import { counts, idOf, item, notification, READ } from "./fakes";

function known(...items: Item[]): Known {
  const map = new Map(items.map((one) => [one.id, one]));
  return { items: map, counts: counts(map) };
}

const arrival = (n: number, over = {}): Fact => ({ type: "notification", data: notification(n, over) });
const AT = "2025-11-25T12:00:00Z";

test("an arrival is unread, and counts", () => {
  const { known: after, arrived } = applyAll(known(item(1, READ)), [arrival(2)]);
  expect(after.items.get(idOf(2))).toMatchObject({ read_at: null, seen_at: null, archived_at: null });
  expect(after.counts).toEqual({ total: 2, unseen: 1, unread: 1 });
  expect(arrived.map(({ id }) => id)).toEqual([idOf(2)]);
});

test("an arrival that comes twice counts once", () => {
  const { known: after, arrived } = applyAll(known(item(1)), [arrival(2), arrival(2), arrival(1)]);
  expect(after.counts.total).toBe(2);
  expect(arrived).toHaveLength(1);
});

test("a later arrival takes the place of older ones with its key, and the counts are asked for", () => {
  const before = known(item(1, { collapse_key: "build" }), item(2, { collapse_key: "other" }));
  const { known: after, isUncounted } = applyAll(before, [arrival(3, { collapse_key: "build" })]);
  expect([...after.items.keys()]).toEqual([idOf(2), idOf(3)]);
  expect(isUncounted).toBe(true);
});

test("an arrival that is older than the one with its key does not show", () => {
  const { known: after, arrived } = applyAll(known(item(5, { collapse_key: "build" })), [arrival(3, { collapse_key: "build" })]);
  expect([...after.items.keys()]).toEqual([idOf(5)]);
  expect(arrived).toEqual([]);
});

test("what arrived and was retracted at once is no arrival", () => {
  const { known: after, arrived } = applyAll(known(), [
    arrival(1),
    { type: "notification.retracted", data: { id: idOf(1), reason: "retracted" } },
  ]);
  expect(after.items.size).toBe(0);
  expect(arrived).toEqual([]);
});

test("a mark of another device brings its own counts", () => {
  const data = { change: "read" as const, at: AT, changed: 1, counts: { total: 9, unseen: 3, unread: 4 }, ids: [idOf(1)] };
  const { known: after, isIncomplete } = applyAll(known(item(1), item(2)), [{ type: "notification.updated", data }]);
  expect(after.items.get(idOf(1))?.read_at).toBe(AT);
  expect(after.items.get(idOf(2))?.read_at).toBe(null);
  expect(after.counts).toEqual(data.counts);
  expect(isIncomplete).toBe(false);
});

test("a mark up to an item leaves later and archived ones alone", () => {
  const after = applyMark(known(item(1, { archived_at: AT }), item(2), item(3)), { change: "read", up_to: idOf(2), at: AT });
  expect([...after.items.values()].map((one) => one.read_at)).toEqual([null, AT, null]);
  expect(after.counts).toEqual({ total: 2, unseen: 1, unread: 1 });
});

test("archived items no longer count, and come back as they were", () => {
  const archived = applyMark(known(item(1), item(2, READ)), { change: "archived", ids: [idOf(1), idOf(2)], at: AT });
  expect(archived.counts).toEqual({ total: 0, unseen: 0, unread: 0 });
  const back = applyMark(archived, { change: "unarchived", ids: [idOf(1), idOf(2)], at: AT });
  expect(back.counts).toEqual({ total: 2, unseen: 1, unread: 1 });
  expect(back.items.get(idOf(2))?.read_at).toBe(READ.read_at);
});

test("unread again stays seen", () => {
  const after = applyMark(known(item(1, READ)), { change: "unread", ids: [idOf(1)], at: AT });
  expect(after.items.get(idOf(1))).toMatchObject({ seen_at: READ.seen_at, read_at: null });
});

test.each(["unarchived", "unread", "archived"] as const)("%s of an unknown item asks for a fresh read", (change) => {
  const data = { change, at: AT, changed: 1, counts: { total: 1, unseen: 0, unread: 0 }, ids: [idOf(9)] };
  expect(applyAll(known(item(1)), [{ type: "notification.updated", data }]).isIncomplete).toBe(true);
});

test("what is known is never changed in place", () => {
  const before = known(item(1));
  applyAll(before, [arrival(2), { type: "notification.retracted", data: { id: idOf(1), reason: "expired" } }]);
  expect([...before.items.keys()]).toEqual([idOf(1)]);
  expect(before.counts.total).toBe(1);
});
