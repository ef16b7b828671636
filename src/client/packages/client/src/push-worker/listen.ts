/** The worker's ears. In a worker that does other things too, what is not ours goes on to the other listeners as if we were not there. */

import { createClicks } from "./clicks";
import { inboxes } from "./inboxes";
import type { WaitingEvent, WorkerScope } from "./scope";
import { optionsOf, readPush, shownBy } from "./shown";

export function listen(scope: WorkerScope): void {
  const clicks = createClicks(scope);

  // A push that is not ours is left alone: in a shared worker its own listener shows it, and would be doubled. In a worker of ours alone
  // there is none, since nobody but Tidings has the key; should it come all the same, the browser says in its own words that something did.
  scope.addEventListener("push", (event) => {
    const shown = readPush(event.data);
    if (!shown) return;
    take(event, show(shown.title, optionsOf(shown)));
  });

  scope.addEventListener("notificationclick", (event) => {
    const shown = shownBy(event.notification);
    if (!shown) return;
    event.notification.close();
    take(event, clicks.open(shown));
  });

  scope.addEventListener("message", ({ data, ports }) => {
    if ((data as { tidings?: unknown } | null)?.tidings === "clicked") ports[0]?.postMessage(clicks.take());
  });

  async function show(...notification: Parameters<WorkerScope["registration"]["showNotification"]>): Promise<void> {
    const visible = await inboxes(scope, (window) => window.visibilityState === "visible");
    if (!visible.some(({ shows }) => shows)) await scope.registration.showNotification(...notification);
  }
}

/** It is ours, and nobody else's. */
function take(event: WaitingEvent, work: Promise<unknown>): void {
  event.stopImmediatePropagation();
  event.waitUntil(work);
}
