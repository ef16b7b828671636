/** The inbox without a page: what it holds, and what one can do with it. For the element, and for whoever draws their own. */

import type { Connection, State } from "@tidings/client";
import { wallClock, type Clock } from "../clock";
import { applyAll, type Fact } from "./apply";
import { emptyBook } from "./book";
import { createClicks } from "./clicks";
import { createIntake } from "./intake";
import { leadsWithUnread, listed, seemsUnread, unfinished, type Selection } from "./lists";
import { createMarks } from "./marks";
import { createReader } from "./reader";
import { isHere, isUnread, isUnseen, type InboxState, type Item, type Known, type Sort, type View } from "./state";

export interface Inbox {
  getState(): InboxState;
  /** Told after every change. Answers how to stop that. */
  subscribe(listener: () => void): () => void;
  /** Told of what arrives while one is here. */
  onArrival(listener: (items: readonly Item[]) => void): () => void;
  /** Read the first page, and begin to listen. Again after a failure, or when back online. */
  load(): Promise<void>;
  loadMore(): Promise<void>;
  markSeen(ids: readonly string[]): void;
  markRead(ids: readonly string[]): void;
  markUnread(ids: readonly string[]): void;
  markAllRead(): void;
  archive(ids: readonly string[]): void;
  unarchive(ids: readonly string[]): void;
  /** Told to whoever measures: these, or buttons of theirs, were clicked. Nothing is shown of it. */
  markClicked(ids: readonly string[]): void;
  undo(): void;
  /** The time to undo stands still, as while one points at the offer; then it begins anew. */
  pauseUndo(isPaused: boolean): void;
  /** Send now what waits for an undo: the page is about to go. */
  settle(): void;
  setView(view: View): void;
  setCategory(category: string | null): void;
  setSort(sort: Sort): void;
  /** One looks anew: what was read while one looked goes where it belongs. */
  tidy(): void;
  /** Stop listening. The connection stays open: it belongs to whoever made it. */
  close(): void;
}

export function createInbox(connection: Connection, clock: Clock = wallClock): Inbox {
  const book = emptyBook();
  const listeners = new Set<() => void>();
  const arrivalListeners = new Set<(items: readonly Item[]) => void>();
  let connected: State = connection.state;
  let told: InboxState | null = null;

  function changed(): void {
    told = null;
    for (const listener of [...listeners]) listener();
  }

  const intake = createIntake(connection, take);
  const reader = createReader(connection, book, intake, clock, changed);
  const marks = createMarks(connection, book, clock, changed);
  const clicks = createClicks(connection, clock);
  const stops = [connection.on("reset", startOver), connection.on("state", follow), intake.stop, reader.stop, marks.stop, clicks.forget];

  function take(facts: Fact[]): void {
    const { known, arrived, isUncounted, isIncomplete } = applyAll(book.known, facts);
    linger(facts.flatMap(readElsewhere));
    book.known = known;
    if (isUncounted) reader.settleCounts();
    if (isIncomplete) void reader.refresh();
    changed();
    if (arrived.length > 0) for (const listener of arrivalListeners) listener(arrived);
  }

  function startOver({ reason }: { reason: string }): void {
    if (reason === "person") becomeAnother();
    intake.forget();
    void reader.refresh();
  }

  /** What was here is another person's: neither shown nor sent any more, whenever the new one's first page comes. */
  function becomeAnother(): void {
    marks.forget();
    clicks.forget();
    Object.assign(book, { ...emptyBook(), selection: book.selection });
    changed();
  }

  function follow(state: State): void {
    connected = state;
    if (state.name === "live") reader.settleCounts();
    changed();
  }

  function linger(ids: readonly string[]): void {
    const read = those(ids, isUnread);
    if (read.length > 0) book.selection = { ...book.selection, lingering: new Set([...book.selection.lingering, ...read]) };
  }

  function select(change: Partial<Selection>): void {
    book.selection = { ...book.selection, lingering: new Set(), ...change };
    void reader.load();
  }

  function tell(): InboxState {
    const { selection, reaches, status } = book;
    const known = marks.over(book.known);
    const items = listed(known, selection, reaches);
    return {
      items,
      leading: leadsWithUnread(selection) ? items.filter((item) => seemsUnread(item, selection)).length : 0,
      counts: known.counts,
      hasMore: unfinished(selection, reaches) !== undefined,
      view: selection.view,
      category: selection.category,
      sort: selection.sort,
      status,
      connection: connected,
      canUndo: marks.canUndo,
      refusal: marks.refusal,
      categories: categoriesOf(known.items),
    };
  }

  /** Of these, what the mark would change, so that nothing is asked twice. */
  function those(ids: readonly string[], needs: (item: Item) => boolean): string[] {
    const { items } = marks.over(book.known);
    return ids.filter((id) => {
      const item = items.get(id);
      return item !== undefined && needs(item);
    });
  }

  return {
    getState: () => (told ??= tell()),
    subscribe: (listener) => subscribeTo(listeners, listener),
    onArrival: (listener) => subscribeTo(arrivalListeners, listener),
    load: reader.load,
    loadMore: reader.loadMore,
    markSeen: (ids) => marks.mark("seen", those(ids, isUnseen)),
    markRead(ids) {
      const unread = those(ids, isUnread);
      linger(unread);
      marks.mark("read", unread);
    },
    markUnread: (ids) => marks.mark("unread", those(ids, (item) => !isUnread(item))),
    markAllRead() {
      book.selection = { ...book.selection, lingering: new Set() };
      marks.markAllRead();
    },
    archive: (ids) => marks.archive(those(ids, isHere)),
    unarchive: (ids) => marks.mark("unarchived", those(ids, (item) => !isHere(item))),
    markClicked: clicks.tell,
    undo: marks.undo,
    pauseUndo: marks.pauseUndo,
    settle: marks.settle,
    setView: (view) => select({ view }),
    setCategory: (category) => select({ category }),
    setSort: (sort) => select({ sort }),
    tidy() {
      if (book.selection.lingering.size > 0) select({});
    },
    close: () => stops.forEach((stop) => stop()),
  };
}

function readElsewhere(fact: Fact): readonly string[] {
  return fact.type === "notification.updated" && fact.data.change === "read" ? (fact.data.ids ?? []) : [];
}

function categoriesOf(items: Known["items"]): string[] {
  const found = new Set<string>();
  for (const { category } of items.values()) if (category !== null) found.add(category);
  return [...found].sort();
}

function subscribeTo<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
