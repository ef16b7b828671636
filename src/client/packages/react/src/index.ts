/** @tidings/react: a person's notifications in React 18 and later. */

export { useInbox, useNotification, useUnreadCount } from "./hooks";
export { TidingsProvider, type TidingsProviderProps } from "./provider";
export type { InboxActions } from "./session";
export { TidingsInbox, type TidingsInboxEvent, type TidingsInboxProps } from "./tidings-inbox";
export type { Counts, State, Token } from "@tidings/client";
export type { Action, InboxState, Item, Messages, Sort, TidingsInbox as TidingsInboxElement, View } from "@tidings/inbox";
