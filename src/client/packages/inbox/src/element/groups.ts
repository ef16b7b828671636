/** The list in days: today, yesterday, the days of the week, dates. In the time zone of whoever looks. Pure. */

import type { Item } from "../store/state";

/** position: among the items, from 1. */
export type Entry = { kind: "heading"; key: string; label: string } | { kind: "item"; key: string; item: Item; position: number };

/** The name of a day. daysAgo: whole days of the calendar, 0 for today. */
export type DayWords = (at: number, daysAgo: number) => string;

export function dayWords(locale: string): DayWords {
  const near = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const weekday = new Intl.DateTimeFormat(locale, { weekday: "long" });
  const date = new Intl.DateTimeFormat(locale, { dateStyle: "long" });
  return (at, daysAgo) => {
    const name = daysAgo < 2 ? near.format(-daysAgo, "day") : (daysAgo < 7 ? weekday : date).format(at);
    return name.charAt(0).toLocaleUpperCase(locale) + name.slice(1);
  };
}

/** above: items that stand before the days under a heading of their own, as unread ones do when they come first. */
export function grouped(items: readonly Item[], now: number, words: DayWords, above: { count: number; label: string }): Entry[] {
  const entries: Entry[] = [];
  // A clock that is behind the server's has no tomorrow.
  const today = dayOf(now);
  let last: number | undefined;
  items.forEach((item, index) => {
    const at = Date.parse(item.created_at);
    const isAbove = index < above.count;
    const day = isAbove ? ABOVE : dayOf(at);
    if (day !== last) entries.push({ kind: "heading", key: `day ${day}`, label: isAbove ? above.label : words(at, Math.max(today - day, 0)) });
    last = day;
    entries.push({ kind: "item", key: item.id, item, position: index + 1 });
  });
  return entries;
}

/** A day that no calendar has. */
const ABOVE = Infinity;

/** The number of the calendar day here. By the calendar and not by 24 hours, which are not a day when the clocks change. */
export function dayOf(at: number): number {
  const date = new Date(at);
  return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 86_400_000;
}
