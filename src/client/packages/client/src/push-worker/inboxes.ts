/** Which windows of this origin have an inbox. They are asked, since a page may have loaded none. */

import type { Here, ToPage } from "./messages";
import type { Window, WorkerScope } from "./scope";

/** A page that is frozen never answers, and the person waits meanwhile. */
const ANSWERS_WITHIN_MS = 300;

export interface Inbox extends Here {
  window: Window;
}

/** Those looked at last come first, as the browser has them. */
export async function inboxes({ clients }: WorkerScope, isAsked: (window: Window) => boolean = () => true): Promise<Inbox[]> {
  // All, as the worker's scope holds no page if the worker is there for pushes only.
  const windows = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const answers = await Promise.all(windows.filter(isAsked).map(ask));
  return answers.flatMap((answer) => answer ?? []);
}

function ask(window: Window): Promise<Inbox | null> {
  const { port1, port2 } = new MessageChannel();
  return new Promise<Inbox | null>((resolve) => {
    port1.onmessage = ({ data }) => resolve({ window, ...(data as Here) });
    setTimeout(() => resolve(null), ANSWERS_WITHIN_MS);
    window.postMessage({ tidings: "here" } satisfies ToPage, [port2]);
  }).finally(() => port1.close());
}
