/** The bell and its badge. */

import type { Speech } from "../messages/messages";
import { h, iconButton, set, setText } from "./dom";

/** More than this is "many", and a wider badge would say no more. */
const MOST = 99;

export interface Bell {
  element: HTMLButtonElement;
  render(unread: number, isOpen: boolean): void;
}

export function createBell({ messages, number }: Speech, panelId: string): Bell {
  const badge = h("span", "badge");
  const element = iconButton("bell", messages.title, () => {}, "bell");
  set(element, { "aria-haspopup": "dialog", "aria-controls": panelId });
  element.append(badge);
  return {
    element,
    render(unread, isOpen) {
      const figure = unread > MOST ? `${number(MOST)}+` : number(unread);
      // As it is written, so that who sees it can say it (WCAG 2.5.3).
      const name = unread > 0 ? `${messages.title}. ${messages.unread}: ${figure}` : messages.title;
      set(element, { "aria-expanded": String(isOpen), "aria-label": name });
      setText(badge, figure);
      badge.hidden = unread === 0;
    },
  };
}
