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

/** onFocusLost: the card that had the focus has gone, and there is no other. */
export function createToasts({ messages }: Speech, clock: Clock, onOpen: (item: Item) => void, onFocusLost: () => void): Toasts {
  // In the top layer: below a header with a filter or a transform, "fixed" would be within it.
  const element = h("div", "toasts", { popover: "manual" });

  function remove(card: Element): void {
    const hadFocus = card.matches(":focus-within");
    card.remove();
    if (!hadFocus) return;
    const next = element.querySelector<HTMLElement>(".icon-button");
    if (next) next.focus();
    else onFocusLost();
  }

  function add(item: Item): void {
    const title = h("strong", "toast-title", { dir: "auto" }, item.title);
    const body = h("span", "body", { dir: "auto" }, item.body ?? "");
    const open = button("toast-open", () => onOpen(item), title, body);
    const card = h("div", "toast", {}, open, iconButton("close", messages.close, () => {}));
    card.addEventListener("click", () => remove(card));
    const expire = (): void => void clock.after(SHOWN_MS, () => (card.matches(":hover, :focus-within") ? expire() : remove(card)));
    expire();
    // Anew, above what was opened meanwhile.
    if (!element.firstChild) element.togglePopover(false);
    element.togglePopover(true);
    element.prepend(card);
    if (element.children[MOST]) remove(element.children[MOST]);
  }

  return {
    element,
    show: (items) => items.slice(-MOST).forEach(add),
  };
}
