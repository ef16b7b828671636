/** What stands in the place of an empty list: rows to come, that there are none, or that they could not be read. */

import type { Messages } from "../messages/messages";
import type { InboxState } from "../store/state";
import { button, h, icon, setText } from "./dom";

export interface StandIn {
  elements: HTMLElement[];
  render(state: InboxState): void;
}

export function createStandIn(messages: Messages, onRetry: () => void): StandIn {
  const skeleton = h("div", "skeleton", { role: "img", "aria-label": messages.loading });
  const text = h("p", "empty-text");
  const retry = button("action", onRetry, messages.retry);
  const words = h("div", "empty", {}, icon("inbox"), text, retry);
  return {
    elements: [skeleton, words],
    render(state) {
      const isEmpty = state.items.length === 0;
      skeleton.hidden = !isEmpty || state.status.name !== "loading";
      words.hidden = !isEmpty || !skeleton.hidden;
      retry.hidden = state.status.name !== "failed";
      setText(text, wordsFor(state, messages));
    },
  };
}

function wordsFor({ status, connection, view, category }: InboxState, messages: Messages): string {
  // Offline from the start, no connection has been tried that could say so.
  if (status.name === "failed") return connection.name === "offline" || !navigator.onLine ? messages.offline : messages.failed;
  return view === "archived" || category !== null ? messages.emptyOther : messages.emptyAll;
}
