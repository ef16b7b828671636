/** The bar below the list: what was just done, with a way back; or that it could not be done. */

import type { Speech } from "../messages/messages";
import type { InboxState } from "../store/state";
import { button, h, set, setText } from "./dom";

export interface Bar {
  element: HTMLElement;
  render(state: InboxState): void;
}

export function createBar(speech: Speech, onUndo: () => void, say: (text: string) => void): Bar {
  const text = h("span", "bar-text");
  const undo = button("undo", onUndo, speech.messages.undo);
  const element = h("div", "bar", {}, text, undo);
  let said = "";
  return {
    element,
    render(state) {
      const words = wordsFor(state, speech);
      set(element, { "data-shown": words !== "" });
      if (words === said) return;
      said = words;
      if (words === "") return; // it fades out with its text
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
