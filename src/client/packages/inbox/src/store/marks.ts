/**
 * What the person does: shown at once, sent in order, taken back when the server refuses.
 *
 * Marks that the server has not confirmed lie over what is known of it, so that taking one back is leaving it out. Archiving is sent at
 * once, and undone by its opposite. "All read" has no opposite when not all that was unread is known here: it is sent when the time to
 * undo is over.
 */

import { Refused, type Change, type Connection, type Counts } from "@tidings/client";
import type { Clock } from "../clock";
import { applyMark } from "./apply";
import type { Book } from "./book";
import { ask, isPassing, waitBefore, wordOf } from "./asking";
import { isHere, isUnread, type Known, type Mark, type Page, type Refusal, type Undoable, type Which } from "./state";

const SHOWN_MS = 6000;
/** As many as the API takes at a time. */
const MOST_IDS = 1000;
/** Of a server that answers, but not well. Without a network it is tried until there is one. */
const MOST_TRIES = 5;

export interface Marks {
  readonly canUndo: Undoable | null;
  readonly refusal: Refusal | null;
  /** What is known, with all that is on its way. */
  over(known: Known): Known;
  mark(change: Change, ids: readonly string[]): void;
  markAllRead(): void;
  archive(ids: readonly string[]): void;
  undo(): void;
  pauseUndo(isPaused: boolean): void;
  /** The time to undo is over: the page is about to go. */
  settle(): void;
  /** Of another person: what waits is theirs, and is never sent. */
  forget(): void;
  stop(): void;
}

/** isHeld: it waits for the time to undo to be over. */
interface Pending {
  mark: Mark;
  isHeld: boolean;
}

interface Offer extends Undoable {
  takeBack: () => void;
  ids: readonly string[];
}

export function createMarks(connection: Connection, book: Book, clock: Clock, changed: () => void): Marks {
  let pending: Pending[] = [];
  let offer: Offer | null = null;
  let refusal: Refusal | null = null;
  let isSending = false;
  let isStopped = false;
  let isPaused = false;
  let cancel = (): void => {};

  const over = (known: Known): Known => pending.reduce((seen, { mark }) => applyMark(seen, mark), known);

  function add(change: Change, which: Which, isHeld = false): Pending {
    const one = { mark: { ...which, change, at: new Date(clock.now()).toISOString() }, isHeld };
    pending.push(one);
    changed();
    void sendAll();
    return one;
  }

  const drop = (one: Pending): void => void (pending = pending.filter((other) => other !== one));

  /** One after the other, so that the last word on an item is the person's last. */
  async function sendAll(): Promise<void> {
    if (isSending) return;
    isSending = true;
    for (let one = nextToSend(); one; one = nextToSend()) await deliver(one);
    isSending = false;
  }

  const nextToSend = (): Pending | undefined => pending.find(({ isHeld }) => !isHeld);

  async function deliver(one: Pending): Promise<void> {
    try {
      const counts = await persist(one);
      if (isWanted(one)) book.known = { ...applyMark(book.known, one.mark), counts };
    } catch (error) {
      if (!isWanted(one)) return;
      settle();
      // Nobody asked for it to be marked seen.
      if (one.mark.change !== "seen") tell(null, { change: one.mark.change, why: wordOf(error) });
    }
    drop(one);
    changed();
  }

  const isWanted = (one: Pending): boolean => pending.includes(one);

  async function persist(one: Pending): Promise<Counts> {
    for (let tries = 0; ; tries += 1) {
      try {
        return await send(one);
      } catch (error) {
        if (isStopped || !isWanted(one) || !isPassing(error) || (error instanceof Refused && tries + 1 >= MOST_TRIES)) throw error;
        await new Promise<void>((resolve) => clock.after(waitBefore(tries), resolve));
        if (!isWanted(one)) throw error;
      }
    }
  }

  async function send(one: Pending): Promise<Counts> {
    const { mark } = one;
    if ("ids" in mark) return sendIds(mark.change, mark.ids);
    try {
      return await post(mark.change, { up_to: mark.up_to });
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 404 || !isWanted(one)) throw error;
      // What was only shown live is in no inbox, and nothing can reach up to it: up to the newest that is there.
      const { items } = await ask<Page>(connection, "?limit=1");
      return post(mark.change, { up_to: items[0]?.id ?? mark.up_to });
    }
  }

  async function sendIds(change: Change, ids: readonly string[]): Promise<Counts> {
    const counts = await post(change, { ids: ids.slice(0, MOST_IDS) });
    return ids.length > MOST_IDS ? sendIds(change, ids.slice(MOST_IDS)) : counts;
  }

  async function post(change: Change, which: Which): Promise<Counts> {
    // keepalive: a click that also leaves the page must not lose its mark.
    const init = { method: "POST", body: JSON.stringify(which), keepalive: true };
    // archived is POST …/archive.
    return (await ask<{ counts: Counts }>(connection, `/${change.replace("ived", "ive")}`, init)).counts;
  }

  /** One word at a time, for a while. */
  function tell(undoable: Offer | null, refused: Refusal | null = null): void {
    offer = undoable;
    refusal = refused;
    wait();
    changed();
  }

  function wait(): void {
    cancel();
    if (!isPaused) cancel = clock.after(SHOWN_MS, settle);
  }

  function settle(): void {
    cancel();
    if (!offer && !refusal) return;
    offer = refusal = null;
    for (const one of pending) one.isHeld = false;
    changed();
    void sendAll();
  }

  function markAllRead(): void {
    settle();
    const { items, counts } = over(book.known);
    const here = [...items.values()].filter(isHere);
    const newest = here.reduce((latest, { id }) => (id > latest ? id : latest), "");
    if (newest === "") return;
    const ids = here.filter(isUnread).map(({ id }) => id);
    const isAllKnown = ids.length === counts.unread;
    const one = add("read", { up_to: newest }, !isAllKnown);
    tell({ change: "read", count: counts.unread, ids, takeBack: () => void (isAllKnown ? add("unread", { ids }) : drop(one)) });
  }

  function archive(fresh: readonly string[]): void {
    // One after the other within the time to undo is one thing to undo.
    const ids = offer?.change === "archived" ? [...offer.ids, ...fresh] : fresh;
    if (ids === fresh) settle();
    add("archived", { ids: fresh });
    tell({ change: "archived", count: ids.length, ids, takeBack: () => void add("unarchived", { ids }) });
  }

  return {
    get canUndo() {
      return offer;
    },
    get refusal() {
      return refusal;
    },
    over,
    mark(change, ids) {
      if (change === "unread") settle();
      if (ids.length > 0) add(change, { ids });
    },
    markAllRead,
    archive(ids) {
      if (ids.length > 0) archive(ids);
    },
    undo() {
      const undone = offer;
      offer = null;
      undone?.takeBack();
      settle();
      changed();
    },
    pauseUndo(paused) {
      isPaused = paused;
      wait();
    },
    settle,
    forget() {
      pending = [];
      tell(null);
      cancel();
    },
    stop() {
      settle();
      isStopped = true;
    },
  };
}
