/** @tidings/inbox: importing it defines <tidings-inbox>. */

import { TidingsInbox } from "./element/element";

/** Under another name, if the page wants one. Once: a name cannot be given again. */
export function define(name = "tidings-inbox"): void {
  if (customElements.get(name)) return;
  // A class has one name only.
  customElements.define(name, customElements.getName(TidingsInbox) === null ? TidingsInbox : class extends TidingsInbox {});
}

if ("customElements" in globalThis) define();

export { TidingsInbox };
// So that a page that has the inbox needs no second file for a connection of its own.
export { connect, Refused } from "@tidings/client";
export type { TidingsInboxEvents } from "./element/scene";
export type { Action } from "./element/actions";
export type { Messages, Plural } from "./messages/messages";
export { createInbox, type Inbox } from "./store/inbox";
export type { InboxState, Item, Refusal, Sort, Status, Undoable, View } from "./store/state";

declare global {
  interface HTMLElementTagNameMap {
    "tidings-inbox": TidingsInbox;
  }
}
