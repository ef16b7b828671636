/** Reading the inbox page by page into the book, again after a failure, and afresh when the stream cannot tell what happened. */

import type { Connection, Counts } from "@tidings/client";
import type { Clock } from "../clock";
import type { Book } from "./book";
import type { Intake } from "./intake";
import { unfinished, type Reach } from "./lists";
import { ask, isPassing, waitBefore, wordOf } from "./asking";
import type { Page, Status } from "./state";

const PAGE_SIZE = 25;
/** Of those that follow: whoever scrolls, scrolls on. */
const NEXT_SIZE = 100;
const LARGEST_PAGE = 200;
const COUNT_AFTER_MS = 400;
/** One notification to many people must not make all their pages ask in the same moment. */
const COUNT_SPREAD_MS = 1600;

export interface Reader {
  /** Read what the selection needs first, if it is not there yet. */
  load(): Promise<void>;
  loadMore(): Promise<void>;
  /** Start over from what the server has. What is shown stays until that is here. */
  refresh(): Promise<void>;
  /** Ask for the counts, soon. */
  settleCounts(): void;
  stop(): void;
}

export function createReader(connection: Connection, book: Book, intake: Intake, clock: Clock, changed: () => void): Reader {
  /** As far as was read; the book has another until the first page of a new start is here. */
  let reaches = new Map<string, Reach>();
  let hasBegun = false;
  let attempt = 0;
  let failures = 0;
  let cancelRetry = (): void => {};
  let cancelCounting = (): void => {};

  async function attemptTo(status: Status, work: () => Promise<unknown>): Promise<void> {
    const mine = ++attempt;
    cancelRetry();
    book.status = status;
    changed();
    const outcome: Status = await intake.holdDuring(work).then(() => READY, failed);
    if (mine !== attempt) return; // something else is being read by now
    if (outcome.name !== "failed") failures = 0;
    else if (outcome.willRetry) cancelRetry = clock.after(waitBefore(failures++), () => void attemptTo(status, work));
    book.status = outcome;
    changed();
  }

  function load(): Promise<void> {
    // Later on the stream tells the counts.
    const isFirst = reaches.size === 0;
    return attemptTo(isStarted() ? READY : { name: "loading" }, () => Promise.all([readStart(), isFirst && readCounts()]));
  }

  const next = (): string | undefined => unfinished(book.selection, reaches);

  function isStarted(): boolean {
    const name = next();
    return name === undefined || reaches.has(name);
  }

  async function readStart(): Promise<void> {
    while (!isStarted()) await readOn();
  }

  async function readOn(): Promise<void> {
    const name = next();
    if (name === undefined) return;
    const into = reaches;
    const reach = into.get(name);
    const page = await readPage(name, reach);
    if (into !== reaches || into.get(name) !== reach) return; // it was read by someone else meanwhile
    // The first page of a new start takes the place of all that there was.
    const before = book.reaches === into ? book.known.items : [];
    book.known = { ...book.known, items: new Map([...before, ...page.items.map((item) => [item.id, item] as const)]) };
    book.reaches = into.set(name, { floor: page.next ?? "", next: page.next });
  }

  /** A new start reads as much as was there, so that one who has scrolled does not lose the place. */
  async function readPage(name: string, reach: Reach | undefined): Promise<Page> {
    const limit = reaches.size > 0 ? NEXT_SIZE : Math.min(Math.max(book.known.items.size, PAGE_SIZE), LARGEST_PAGE);
    const after = reach?.next ? `&after=${reach.next}` : "";
    const page = await ask<Page>(connection, `?limit=${limit}${name}${after}`);
    if (!hasBegun) connection.start(page.cursor);
    hasBegun = true;
    return page;
  }

  async function readCounts(): Promise<void> {
    const counts = await ask<Counts>(connection, "/counts");
    book.known = { ...book.known, counts };
  }

  return {
    load,
    async loadMore() {
      if (book.status === READY && next() !== undefined) await attemptTo({ name: "loading-more" }, readOn);
    },
    refresh() {
      reaches = new Map();
      return load();
    },
    settleCounts() {
      cancelCounting();
      cancelCounting = clock.after(COUNT_AFTER_MS + Math.random() * COUNT_SPREAD_MS, () => void readCounts().then(changed, () => {}));
    },
    stop() {
      attempt += 1;
      cancelRetry();
      cancelCounting();
    },
  };
}

const READY = { name: "ready" } as const;

function failed(error: unknown): Extract<Status, { name: "failed" }> {
  return { name: "failed", why: wordOf(error), willRetry: isPassing(error) };
}
