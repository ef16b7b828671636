/** What is used of a service worker's global scope. TypeScript's own library for workers cannot stand beside the one for pages. */

import type { Shown } from "./messages";

export interface WaitingEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}

export interface PushEvent extends WaitingEvent {
  readonly data: { json(): unknown } | null;
}

export interface ClickEvent extends WaitingEvent {
  readonly notification: { readonly data: unknown; close(): void };
}

/** source: the window that says it. */
export interface SaidEvent extends WaitingEvent {
  readonly data: unknown;
  readonly ports: readonly Pick<MessagePort, "postMessage">[];
}

export interface Window {
  readonly visibilityState: string;
  focus(): Promise<unknown>;
  postMessage(message: unknown, transfer?: MessagePort[]): void;
}

export interface WorkerScope {
  readonly registration: {
    readonly scope: string;
    showNotification(title: string, options: NotificationOptions & { data: { tidings: Shown } }): Promise<void>;
  };
  readonly clients: {
    matchAll(options: { type: "window"; includeUncontrolled: true }): Promise<readonly Window[]>;
    openWindow(url: string): Promise<unknown>;
  };
  addEventListener(type: "push", hear: (event: PushEvent) => void): void;
  addEventListener(type: "notificationclick", hear: (event: ClickEvent) => void): void;
  addEventListener(type: "message", hear: (event: SaidEvent) => void): void;
}
