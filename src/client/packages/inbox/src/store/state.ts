/** What an inbox is made of, and what is told of it. Nothing happens here. */

import type { Change, Counts, Notification, State } from "@tidings/client";

export interface Item extends Notification {
  seen_at: string | null;
  read_at: string | null;
  archived_at: string | null;
}

export interface Page {
  items: Item[];
  /** Give it as `after` for the following page; null on the last. */
  next: string | null;
  cursor: string;
}

export type View = "all" | "unread" | "archived";
export type Sort = "time" | "unread";

/** Which items: `ids`, or all up to and including `up_to`. Ids are UUIDv7, so their order is that of time. */
export type Which = { ids: readonly string[] } | { up_to: string };
export type Mark = Which & { change: Change; at: string };

/** Items by id, in no order, and the counts of all that there are. Items are kept after they were archived. */
export interface Known {
  readonly items: ReadonlyMap<string, Item>;
  readonly counts: Counts;
}

export type Status =
  | { name: "loading" }
  | { name: "ready" }
  | { name: "loading-more" }
  /** willRetry: it is tried again by itself. */
  | { name: "failed"; why: string; willRetry: boolean };

/** What can be taken back. count: how many items. */
export interface Undoable {
  change: "archived" | "read";
  count: number;
}

/** What the server refused, and was taken back. why: in its own words. */
export interface Refusal {
  change: Change;
  why: string;
}

/** One moment of an inbox. The same object until something changes. */
export interface InboxState {
  /** What the view lists, in its order. */
  readonly items: readonly Item[];
  /** With unread first: so many of the items stand first. */
  readonly leading: number;
  readonly counts: Counts;
  /** `loadMore` brings more. */
  readonly hasMore: boolean;
  readonly view: View;
  readonly category: string | null;
  readonly sort: Sort;
  readonly status: Status;
  readonly connection: State;
  readonly canUndo: Undoable | null;
  readonly refusal: Refusal | null;
  /** Seen so far. */
  readonly categories: readonly string[];
}

export const isHere = (item: Item): boolean => item.archived_at === null;
export const isUnread = (item: Item): boolean => item.read_at === null;
export const isUnseen = (item: Item): boolean => item.seen_at === null;
