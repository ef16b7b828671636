/** Short-lived cards in the corner for what arrives while the inbox is closed. They stay as long as one points at them or is in them. */

import type { Clock } from "../clock";
import type { Speech } from "../messages/messages";
import type { Item } from "../store/state";
import { button, h, iconButton } from "./dom";

const SHOWN_MS = 6000;
/** The bell counts the others. */
const MOST = 3;

export interface Toasts {
  element: HTMLElement;
  show(items: readonly Item[]): void;
}

export function createToasts({ messages }: Speech, clock: Clock, onOpen: (item: Item) => void): Toasts {
  const element = h("div", "toasts");

  function add(item: Item): void {
    const open = button("toast-open", () => onOpen(item), h("strong", "toast-title", {}, item.title), h("span", "body", {}, item.body ?? ""));
    const card = h("div", "toast", {}, open, iconButton("close", messages.close, () => {}));
    card.addEventListener("click", () => card.remove());
    const expire = (): void => void clock.after(SHOWN_MS, () => (card.matches(":hover, :focus-within") ? expire() : card.remove()));
    expire();
    element.prepend(card);
    while (element.childElementCount > MOST) element.lastElementChild?.remove();
  }

  return {
    element,
    show: (items) => items.slice(-MOST).forEach(add),
  };
}
