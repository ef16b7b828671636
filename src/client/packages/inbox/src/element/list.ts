/** The list on the page: only rows near the view are drawn, and what one looks at stays where it is. */

import type { Speech } from "../messages/messages";
import type { Item } from "../store/state";
import { h, set } from "./dom";
import type { Entry } from "./groups";
import { createHeading, createRow, type Row, type RowHooks } from "./row";
import type { TimeWords } from "./times";
import { drift, offsetsOf, windowOf } from "./virtual";

/** Of a row that has not been measured. */
const USUAL_HEIGHT_PX = 84;
const MARGIN_PX = 400;
/** So many rows before the end the next page is asked for. */
const NEAR_END = 10;
/** As near to the top that one is at the top. */
const AT_TOP_PX = 8;

export interface ListHooks extends RowHooks {
  onNearEnd(): void;
  onTop(): void;
  onEntered(id: string): void;
  onLeft(id: string): void;
}

export interface List {
  element: HTMLElement;
  hasFocus(): boolean;
  /** Whether what comes above is kept out of view: one reads, points or is at a row. */
  isHeld(): boolean;
  /** The row that keys act on. */
  current(): Item | undefined;
  render(entries: readonly Entry[], now: number, isComplete: boolean): void;
  /** Move the focus by so many rows; Infinity is to the end. */
  move(by: number): void;
  open(): void;
  stop(): void;
}

export function createList(speech: Speech, times: TimeWords, hooks: ListHooks, foot: HTMLElement): List {
  const feed = h("div", "feed", { role: "feed", "aria-label": speech.messages.title });
  const scroller = h("div", "scroller", {}, feed, foot);
  const drawn = new Map<string, Row>();
  const heights = new Map<string, number>();
  let entries: readonly Entry[] = [];
  /** By key: the number of the entry. */
  let numbers: ReadonlyMap<string, number> = new Map();
  let items: readonly Item[] = [];
  let offsets = offsetsOf([]);
  let now = 0;
  let isComplete = false;
  let currentId = "";
  let frame = 0;

  const onScreen = new IntersectionObserver(
    (changes) => changes.forEach(({ target, isIntersecting }) => (isIntersecting ? hooks.onEntered : hooks.onLeft)(target.id)),
    { threshold: 0.5 },
  );
  const resized = new ResizeObserver(schedule);
  resized.observe(scroller);
  scroller.addEventListener("scroll", schedule, { passive: true });
  feed.addEventListener("focusin", ({ target }) => makeCurrent((target as Element).closest("article")?.id ?? ""));

  function schedule(): void {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
      if (isAtTop()) hooks.onTop();
    });
  }

  const isAtTop = (): boolean => scroller.scrollTop <= AT_TOP_PX;
  const hasFocus = (): boolean => feed.matches(":focus-within");
  const isHeld = (): boolean => !isAtTop() || feed.matches(":hover, :focus-within");
  const placeOf = (key: string): number | undefined => offsets[numbers.get(key) ?? -1];
  const position = (): number => items.findIndex(({ id }) => id === currentId);

  function layOut(): void {
    offsets = offsetsOf(entries.map(({ key }) => heights.get(key) ?? USUAL_HEIGHT_PX));
    feed.style.height = `${offsets.at(-1)}px`;
  }

  /** Change the layout, and scroll by as much as it moved what is in view. Headings hold nothing: what arrives comes below them. */
  function steadily(change: () => void): void {
    const { first, end } = windowOf(offsets, scroller.scrollTop, scroller.clientHeight, 0);
    const keys = entries.slice(isHeld() ? first : end, end).flatMap(({ kind, key }) => (kind === "item" ? key : []));
    const before = keys.map(placeOf);
    change();
    const moved = drift(before, keys.map(placeOf));
    if (moved !== 0) scroller.scrollTop += moved;
  }

  function draw(): void {
    const near = nearView();
    const keys = new Set(near.map(({ key }) => key));
    for (const [key, { element }] of drawn) if (!keys.has(key)) erase(key, element);
    let last: Element | null = null;
    for (const entry of near) last = put(entry, last);
    if (measure()) steadily(layOut);
    for (const [key, { element }] of drawn) element.style.top = `${placeOf(key)}px`;
    if (!isComplete && entries.slice(-NEAR_END).some(({ key }) => drawn.has(key))) hooks.onNearEnd();
  }

  /** The current row is always among them: a row that has the focus must not vanish because one scrolls. */
  function nearView(): Entry[] {
    const { first, end } = windowOf(offsets, scroller.scrollTop, scroller.clientHeight, MARGIN_PX);
    const current = numbers.get(currentId) ?? first;
    return entries.filter((_, number) => (number >= first && number < end) || number === current);
  }

  /** In the order of the list, which is that of the Tab key and of reading aloud. */
  function put(entry: Entry, last: Element | null): Element {
    const row = drawn.get(entry.key) ?? make(entry);
    const { element } = row;
    row.update(entry, now);
    row.setCurrent(entry.key === currentId);
    if (entry.kind === "item") set(element, { "aria-posinset": entry.position, "aria-setsize": isComplete ? items.length : -1 });
    const next: Element | null = last ? last.nextElementSibling : feed.firstElementChild;
    if (next !== element) feed.insertBefore(element, next);
    return element;
  }

  function make(entry: Entry): Row {
    const row = entry.kind === "item" ? createRow(entry.item, speech, times, hooks) : createHeading(entry.label);
    drawn.set(entry.key, row);
    if (entry.kind === "item") onScreen.observe(row.element);
    return row;
  }

  function erase(key: string, element: HTMLElement): void {
    onScreen.unobserve(element);
    hooks.onLeft(key);
    element.remove();
    drawn.delete(key);
  }

  /** True if a height was not as thought. All are read before anything is written: one layout of the page. */
  function measure(): boolean {
    const sizes = [...drawn].map(([key, { element }]) => [key, element.offsetHeight] as const);
    const differing = sizes.filter(([key, height]) => height > 0 && height !== heights.get(key));
    for (const [key, height] of differing) heights.set(key, height);
    return differing.length > 0;
  }

  function makeCurrent(id: string): void {
    drawn.get(currentId)?.setCurrent(false);
    currentId = id;
    drawn.get(id)?.setCurrent(true);
  }

  function focusAt(index: number): void {
    const item = items[Math.max(0, Math.min(index, items.length - 1))];
    if (!item) return;
    makeCurrent(item.id);
    draw(); // so that it is there, and measured
    bringIntoView(numbers.get(item.id) ?? 0);
    drawn.get(item.id)?.element.focus({ preventScroll: true });
  }

  /** The first row of a day comes with its heading. */
  function bringIntoView(number: number): void {
    const first = entries[number - 1]?.kind === "heading" ? number - 1 : number;
    const top = offsets[first] ?? 0;
    const bottom = offsets[number + 1] ?? top;
    const least = bottom - scroller.clientHeight;
    scroller.scrollTop = Math.min(Math.max(scroller.scrollTop, least), top);
  }

  return {
    element: scroller,
    hasFocus,
    isHeld,
    current: () => items[position()],
    render(fresh, at, complete) {
      const was = Math.max(position(), 0);
      const hadFocus = hasFocus();
      steadily(() => {
        entries = fresh;
        numbers = new Map(fresh.map(({ key }, number) => [key, number]));
        items = fresh.flatMap((entry) => (entry.kind === "item" ? entry.item : []));
        now = at;
        isComplete = complete;
        layOut();
      });
      const isGone = !numbers.has(currentId);
      if (isGone) currentId = items[Math.min(was, items.length - 1)]?.id ?? "";
      draw();
      if (hadFocus && isGone) focusAt(was);
    },
    move: (by) => focusAt(Math.max(position(), 0) + by),
    open: () => drawn.get(currentId)?.open(),
    stop() {
      onScreen.disconnect();
      resized.disconnect();
      cancelAnimationFrame(frame);
    },
  };
}
