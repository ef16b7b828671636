/** What comes over the stream, and what the page is told of it. The field names are the API's own. */

export interface Notification {
  id: string;
  title: string;
  body: string | null;
  url: string | null;
  data: unknown;
  category: string | null;
  priority: string;
  collapse_key: string | null;
  expires_at: string | null;
  created_at: string;
}

/** Archived items do not count. */
export interface Counts {
  total: number;
  unseen: number;
  unread: number;
}

export type Change = "seen" | "read" | "unread" | "archived" | "unarchived";

/** A mark, made here or on another device: of `ids`, or of all up to and including `up_to` in the order of ids. */
export interface Updated {
  change: Change;
  at: string;
  changed: number;
  counts: Counts;
  ids?: string[];
  up_to?: string;
}

export interface Retracted {
  id: string;
  reason: "retracted" | "expired";
}

/**
 * The stream goes on from `cursor`, and what lay before cannot be told any more: read the inbox afresh.
 *
 * reason: "person" when the token is another person's from here on, so that what is shown is somebody else's.
 */
export interface Reset {
  reason: string;
  cursor: string;
}

export type TransportName = "fetch" | "eventsource" | "poll";

export type State =
  | { name: "connecting"; attempt: number; transport: TransportName }
  | { name: "live"; transport: TransportName; since: number }
  /** until: in milliseconds of Date.now(). */
  | { name: "waiting"; until: number; why: string }
  | { name: "offline" }
  /** By `pause`, until `start`. */
  | { name: "paused" }
  /** It does not come back by itself: it was closed, or its token is refused and there is no other. */
  | { name: "closed"; why: string };

/** By the names of the stream; `state` is of the connection itself. */
export interface Events {
  notification: Notification;
  "notification.updated": Updated;
  "notification.retracted": Retracted;
  "inbox.counts": Counts;
  reset: Reset;
  state: State;
}

/** One event off the wire. id: its cursor; what has none moves no cursor, and may come twice. */
export interface Message {
  type: string;
  data: unknown;
  id: string | null;
}

export type Token = string | (() => string | Promise<string>);

export interface Options {
  /** Where Tidings answers, as in https://tidings.example. */
  url: string;
  /** A subscriber's token, or how to get one: asked again before it expires, and whenever it was refused. */
  token: Token;
  /** Where to go on: of an inbox page, or of a stream before. Without it, from where this browser was, or from now. */
  cursor?: string | null;
  /** false: wait for `start`. */
  start?: boolean;
  /** One connection for all tabs of this browser, where the browser can do that. Default: true. */
  share?: boolean;
  /** Ends it. */
  signal?: AbortSignal;
  /** What happens, line by line: true for the console. */
  debug?: boolean | ((line: string, detail?: unknown) => void);
  /** Which ways to try, in this order. Default: fetch, eventsource, poll. */
  transports?: readonly TransportName[];
}

export interface Connection {
  readonly state: State;
  /** Everything up to here has been handed out. */
  readonly cursor: string | null;
  /** Whether this tab holds the connection, for itself or for all tabs. */
  readonly isLeader: boolean;
  /** Answers how to stop listening. */
  on<Name extends keyof Events>(name: Name, listener: (data: Events[Name]) => void): () => void;
  /** Ask the API in the subscriber's name. path: as in /v1/inbox. Rejects with `Refused` when the answer is no success. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Begin, if it was opened with `start: false`; go on, if it was paused or closed by the server. */
  start(cursor?: string | null): void;
  /** Let the stream go, until `start` goes on from here. */
  pause(): void;
  close(): void;
}
