/** All, unread, archived; and the categories, of which one or none is chosen. */

import type { Speech } from "../messages/messages";
import type { InboxState, View } from "../store/state";
import { button, h, set, setText } from "./dom";
import { categoryName } from "./row";

export interface FilterHooks {
  setView(view: View): void;
  setCategory(category: string | null): void;
}

export interface Filters {
  elements: HTMLElement[];
  render(state: InboxState, categories: readonly string[]): void;
}

const VIEWS: readonly View[] = ["all", "unread", "archived"];

export function createFilters({ messages, number }: Speech, hooks: FilterHooks): Filters {
  const unread = h("span", "figure");
  const tabs = VIEWS.map((view) => button("tab", () => hooks.setView(view), messages[view]));
  tabs[1]?.append(unread);
  const chips = h("div", "chips");
  const drawn = new Map<string, HTMLElement>();
  let chosen: string | null = null;

  function add(category: string): void {
    if (drawn.has(category)) return;
    const toggle = (): void => hooks.setCategory(chosen === category ? null : category);
    const chip = button("chip", toggle, categoryName(category));
    drawn.set(category, chip);
    chips.append(chip);
  }

  return {
    elements: [h("div", "tabs", {}, ...tabs), chips],
    render({ counts, view, category }, categories) {
      chosen = category;
      categories.forEach(add);
      chips.hidden = drawn.size === 0;
      setText(unread, counts.unread > 0 ? number(counts.unread) : "");
      tabs.forEach((tab, index) => set(tab, { "aria-pressed": String(VIEWS[index] === view) }));
      for (const [name, chip] of drawn) set(chip, { "aria-pressed": String(name === category) });
    },
  };
}
