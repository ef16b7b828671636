/** A notification of the system was clicked: it is opened in an inbox that is there, or in a new window. */

import { inboxes } from "./inboxes";
import type { Shown, ToPage } from "./messages";
import type { WorkerScope } from "./scope";

export interface Clicks {
  open(shown: Shown): Promise<void>;
  /** What was clicked and opened a new window, whose inbox asks for it once it is there; null for nothing. */
  take(): Shown | null;
}

export function createClicks(scope: WorkerScope): Clicks {
  let waiting: Shown | null = null;
  return {
    async open(shown) {
      const [inbox] = await inboxes(scope);
      if (inbox) {
        // Browsers let a worker focus soon after a click only; the item is opened all the same.
        await inbox.window.focus().catch(() => undefined);
        return inbox.window.postMessage({ tidings: "open", shown } satisfies ToPage);
      }
      waiting = shown;
      await scope.clients.openWindow(addressOf(shown.url, scope.registration.scope));
    },
    take() {
      const taken = waiting;
      waiting = null;
      return taken;
    },
  };
}

/** http and https only. Otherwise the folder of the scope, which of a worker for pushes only is the worker's own address. */
export function addressOf(url: string | null, scope: string): string {
  const home = new URL(".", scope);
  try {
    const address = new URL(url ?? "", home);
    return url && /^https?:$/.test(address.protocol) ? address.href : home.href;
  } catch {
    return home.href;
  }
}
