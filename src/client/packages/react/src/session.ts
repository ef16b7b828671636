/**
 * What a provider holds: an inbox while it is on a page, and nothing before, after and on a server. Without React.
 *
 * It has no effect until it is opened, so that React may render as often as it likes; and it can be opened again, as StrictMode does.
 */

import { connect, type Connection, type Token } from "@tidings/client";
import { createInbox, type Inbox, type InboxState, type Item } from "@tidings/inbox";

/** What one can do with the inbox. They do nothing while there is none. */
export type InboxActions = Omit<Inbox, "getState" | "subscribe" | "onArrival" | "close">;

export interface Source {
  url: string;
  token: Token;
  share: boolean;
}

export interface Session {
  /** The same functions for as long as the session is there. */
  readonly actions: InboxActions;
  getState(): InboxState;
  getConnection(): Connection | null;
  /** Told when either is another. */
  subscribe(listener: () => void): () => void;
  onArrival(listener: (item: Item) => void): () => void;
  /** Answers how to close it. */
  open(source: Source): () => void;
}

export const NOTHING: InboxState = {
  items: [],
  leading: 0,
  counts: { total: 0, unseen: 0, unread: 0 },
  hasMore: false,
  view: "all",
  category: null,
  sort: "time",
  status: { name: "loading" },
  connection: { name: "connecting", attempt: 0, transport: "fetch" },
  canUndo: null,
  refusal: null,
  categories: [],
};

export function createSession(): Session {
  const listeners = new Set<() => void>();
  const arrivalListeners = new Set<(item: Item) => void>();
  let inbox: Inbox | null = null;
  let connection: Connection | null = null;

  const changed = (): void => [...listeners].forEach((listener) => listener());
  const arrived = (items: readonly Item[]): void => items.forEach((item) => arrivalListeners.forEach((listener) => listener(item)));

  function hold(next: { inbox: Inbox; connection: Connection } | null): void {
    inbox = next?.inbox ?? null;
    connection = next?.connection ?? null;
    changed();
  }

  return {
    actions: {
      load: async () => inbox?.load(),
      loadMore: async () => inbox?.loadMore(),
      markSeen: (ids) => inbox?.markSeen(ids),
      markRead: (ids) => inbox?.markRead(ids),
      markUnread: (ids) => inbox?.markUnread(ids),
      markAllRead: () => inbox?.markAllRead(),
      archive: (ids) => inbox?.archive(ids),
      unarchive: (ids) => inbox?.unarchive(ids),
      markClicked: (ids) => inbox?.markClicked(ids),
      undo: () => inbox?.undo(),
      pauseUndo: (isPaused) => inbox?.pauseUndo(isPaused),
      settle: () => inbox?.settle(),
      setView: (view) => inbox?.setView(view),
      setCategory: (category) => inbox?.setCategory(category),
      setSort: (sort) => inbox?.setSort(sort),
      tidy: () => inbox?.tidy(),
    },
    getState: () => inbox?.getState() ?? NOTHING,
    getConnection: () => connection,
    subscribe: (listener) => subscribeTo(listeners, listener),
    onArrival: (listener) => subscribeTo(arrivalListeners, listener),
    open(source) {
      const opened = connect({ ...source, start: false });
      const reading = createInbox(opened);
      const ending = new AbortController();
      const { signal } = ending;
      const stops = [reading.subscribe(changed), reading.onArrival(arrived)];
      addEventListener("pagehide", reading.settle, { signal });
      addEventListener("online", () => reading.getState().status.name === "failed" && void reading.load(), { signal });
      // Soon: what StrictMode closes again at once asks for no token.
      queueMicrotask(() => signal.aborted || void reading.load());
      hold({ inbox: reading, connection: opened });
      return () => {
        ending.abort();
        stops.forEach((stop) => stop());
        reading.close();
        opened.close();
        hold(null);
      };
    },
  };
}

function subscribeTo<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
