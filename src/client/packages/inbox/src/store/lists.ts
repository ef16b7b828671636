/**
 * Which of the known items a view lists, and in which order. Pure.
 *
 * All views draw on the same items. How far down each was read is its reach; an item below it waits, because what lies between is not
 * known yet. So a mark moves an item from view to view without asking, and a view opened again is there at once.
 */

import { isHere, isUnread, type Item, type Known, type Sort, type View } from "./state";

/** Read from the newest item down to `floor`; "" once everything was. next: as of the last page. */
export interface Reach {
  floor: string;
  next: string | null;
}

/** By the name of the list. */
export type Reaches = ReadonlyMap<string, Reach>;

export interface Selection {
  view: View;
  category: string | null;
  sort: Sort;
  /** Read while one looked: they stay where they were until one looks anew. */
  lingering: ReadonlySet<string>;
}

/** rest: of all, what is not unread. */
type Part = View | "rest";

export const leadsWithUnread = ({ view, sort }: Selection): boolean => view === "all" && sort === "unread";

/** Unread first takes two parts: the unread items to the end, and only then the others. */
function partsOf(selection: Selection): Part[] {
  return leadsWithUnread(selection) ? ["unread", "rest"] : [selection.view];
}

/** A list is named by what the API is asked for. */
export function listName(part: Part, category: string | null): string {
  const view = part === "unread" || part === "archived" ? `&${part}=true` : "";
  return category === null ? view : `${view}&category=${encodeURIComponent(category)}`;
}

/** The list to read on in; undefined when all is there. */
export function unfinished(selection: Selection, reaches: Reaches): string | undefined {
  return partsOf(selection)
    .map((part) => listName(part, selection.category))
    .find((name) => reaches.get(name)?.next !== null);
}

export function listed({ items }: Known, selection: Selection, reaches: Reaches): Item[] {
  const { category } = selection;
  const candidates = [...items.values()].filter((item) => category === null || item.category === category).sort(newestFirst);
  const shown: Item[] = [];
  for (const part of partsOf(selection)) {
    const reach = reaches.get(listName(part, category));
    if (!reach) break;
    shown.push(...candidates.filter((item) => item.id >= reach.floor && BELONGS[part](item, seemsUnread(item, selection))));
    // A part shows nothing before the one above it is there to its end.
    if (reach.next !== null) break;
  }
  return shown;
}

const BELONGS: Record<Part, (item: Item, seemsUnread: boolean) => boolean> = {
  all: isHere,
  unread: (item, seemsUnread) => isHere(item) && seemsUnread,
  rest: (item, seemsUnread) => isHere(item) && !seemsUnread,
  archived: (item) => !isHere(item),
};

export function seemsUnread(item: Item, { lingering }: Selection): boolean {
  return isUnread(item) || lingering.has(item.id);
}

const newestFirst = (a: Item, b: Item): number => (a.id < b.id ? 1 : -1);
