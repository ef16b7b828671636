/** Events and marks applied to what is known. Pure: the same events in the same order end the same on every device. */

import type { Counts, Notification, Retracted, Updated } from "@tidings/client";
import { isHere, isUnread, isUnseen, type Item, type Known, type Mark, type Which } from "./state";

export type Fact =
  | { type: "notification"; data: Notification }
  | { type: "notification.updated"; data: Updated }
  | { type: "notification.retracted"; data: Retracted }
  | { type: "inbox.counts"; data: Counts };

/** What the facts led to. arrived: what was not here before. */
export interface Applied {
  known: Known;
  arrived: Item[];
  /** The counts here are a guess: ask for them. */
  isUncounted: boolean;
  /** A mark concerned items that are not known and may belong in a list: read it afresh. */
  isIncomplete: boolean;
}

/** The known items are copied once for all facts, so that a burst of a thousand costs what one does. */
export function applyAll(known: Known, facts: readonly Fact[]): Applied {
  const draft: Draft = { items: new Map(known.items), counts: known.counts, arrived: [], isUncounted: false, isIncomplete: false };
  for (const fact of facts) applyOne(draft, fact);
  const { items, counts, arrived, ...needs } = draft;
  return { known: { items, counts }, arrived: arrived.filter(({ id }) => items.has(id)), ...needs };
}

/** As the person sees it before the server has answered. */
export function applyMark(known: Known, mark: Mark): Known {
  const draft = { items: new Map(known.items), counts: known.counts };
  change(draft, mark);
  if (mark.change === "read" && "up_to" in mark) draft.counts = { ...countsAfter(draft.items, mark.up_to), total: draft.counts.total };
  return draft;
}

/** Read up to an item: what is not known lies below it, so that only what came later is left to count. */
function countsAfter(items: ReadonlyMap<string, Item>, id: string): Omit<Counts, "total"> {
  const later = [...items.values()].filter((item) => item.id > id).map(shares);
  return { unseen: later.filter(({ unseen }) => unseen).length, unread: later.filter(({ unread }) => unread).length };
}

interface Draft extends Omit<Applied, "known"> {
  items: Map<string, Item>;
  counts: Counts;
}

function applyOne(draft: Draft, fact: Fact): void {
  switch (fact.type) {
    case "notification":
      return arrive(draft, fact.data);
    case "notification.updated":
      return update(draft, fact.data);
    case "notification.retracted":
      draft.isUncounted ||= draft.items.delete(fact.data.id);
      return;
    case "inbox.counts":
      draft.counts = fact.data;
  }
}

/** After a resume an event may come twice; its id tells. */
function arrive(draft: Draft, notification: Notification): void {
  if (draft.items.has(notification.id)) return;
  const item: Item = { ...notification, seen_at: null, read_at: null, archived_at: null };
  if (item.collapse_key !== null) {
    draft.isUncounted = true;
    if (!isNewestOfItsKey(draft.items, item)) return;
  }
  draft.items.set(item.id, item);
  draft.arrived.push(item);
  draft.counts = { total: draft.counts.total + 1, unseen: draft.counts.unseen + 1, unread: draft.counts.unread + 1 };
}

/** An inbox has only the newest item of a key; older ones go. */
function isNewestOfItsKey(items: Map<string, Item>, arrived: Item): boolean {
  for (const item of items.values()) {
    if (item.collapse_key !== arrived.collapse_key) continue;
    if (item.id > arrived.id) return false;
    items.delete(item.id);
  }
  return true;
}

function update(draft: Draft, updated: Updated): void {
  const which: Which = updated.ids ? { ids: updated.ids } : { up_to: updated.up_to ?? "" };
  draft.isIncomplete ||= bringsUnknown(draft, updated.change, which);
  change(draft, { ...which, change: updated.change, at: updated.at });
  draft.counts = updated.counts;
}

/** Seen and read only take away from lists; the others may bring an item into one. */
function bringsUnknown({ items }: Draft, change: Updated["change"], which: Which): boolean {
  if (change === "seen" || change === "read") return false;
  return "up_to" in which || which.ids.some((id) => !items.has(id));
}

const CHANGES: Record<Mark["change"], (item: Item, at: string) => Item> = {
  seen: (item, at) => ({ ...item, seen_at: item.seen_at ?? at }),
  read: (item, at) => ({ ...item, seen_at: item.seen_at ?? at, read_at: item.read_at ?? at }),
  unread: (item, at) => ({ ...item, seen_at: item.seen_at ?? at, read_at: null }),
  archived: (item, at) => ({ ...item, archived_at: item.archived_at ?? at }),
  unarchived: (item) => ({ ...item, archived_at: null }),
};

function change(draft: Pick<Draft, "items" | "counts">, mark: Mark): void {
  let { total, unseen, unread } = draft.counts;
  for (const item of concerned(draft.items, mark)) {
    const changed = CHANGES[mark.change](item, mark.at);
    const [before, after] = [shares(item), shares(changed)];
    total += after.total - before.total;
    unseen += after.unseen - before.unseen;
    unread += after.unread - before.unread;
    draft.items.set(item.id, changed);
  }
  draft.counts = { total: Math.max(total, 0), unseen: Math.max(unseen, 0), unread: Math.max(unread, 0) };
}

/** `up_to` leaves alone what was put away, except to take it back. */
function concerned(items: ReadonlyMap<string, Item>, mark: Mark): Item[] {
  if ("ids" in mark) return mark.ids.flatMap((id) => items.get(id) ?? []);
  const isConcerned = (item: Item): boolean => item.id <= mark.up_to && isHere(item) === (mark.change !== "unarchived");
  return [...items.values()].filter(isConcerned);
}

/** What an item contributes to the counts. */
function shares(item: Item): Counts {
  const total = Number(isHere(item));
  return { total, unseen: total && Number(isUnseen(item)), unread: total && Number(isUnread(item)) };
}
