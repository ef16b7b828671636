/** The bar below the list: what was just done, with a way back; or that it could not be done. It stays while one is at it. */

import type { Speech } from "../messages/messages";
import type { Inbox } from "../store/inbox";
import type { InboxState } from "../store/state";
import { button, h, set, setText } from "./dom";

export interface Bar {
  element: HTMLElement;
  render(state: InboxState): void;
}

export function createBar(speech: Speech, inbox: Pick<Inbox, "undo" | "pauseUndo">, say: (text: string) => void): Bar {
  const text = h("span", "bar-text");
  const undo = button("undo", inbox.undo, speech.messages.undo);
  const element = h("div", "bar", {}, text, undo);
  let said = "";
  for (const type of ["pointerenter", "pointerleave", "focusin", "focusout"])
    element.addEventListener(type, () => inbox.pauseUndo(element.matches(":hover, :focus-within")));
  return {
    element,
    render(state) {
      const words = wordsFor(state, speech);
      set(element, { "data-shown": words !== "" });
      if (words === said) return;
      said = words;
      // It fades out with its text, and does not say that the focus is gone from it.
      if (words === "") return inbox.pauseUndo(false);
      setText(text, words);
      undo.hidden = state.canUndo === null;
      say(words);
    },
  };
}

function wordsFor({ canUndo, refusal }: InboxState, { messages, number }: Speech): string {
  if (refusal) return messages.takenBack;
  if (canUndo?.change === "read") return messages.allRead;
  if (!canUndo) return "";
  return canUndo.count > 1 ? `${messages.undoArchived} · ${number(canUndo.count)}` : messages.undoArchived;
}
