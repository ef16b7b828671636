/** Clicks, told to whoever measures. Nothing is shown of them; the API tells of each item once, so that telling it again does no harm. */

import { Refused, type Connection } from "@tidings/client";
import type { Clock } from "../clock";
import { ask, isPassing, waitBefore } from "./asking";

/** So many calls wait for a network at most: who clicks on without one is not measured. */
const MOST_WAITING = 100;
/** Of a server that answers, but not well. */
const MOST_TRIES = 5;

export interface Clicks {
  tell(ids: readonly string[]): void;
  /** Of another person, or of a page that is left: what waits is never sent. */
  forget(): void;
}

export function createClicks(connection: Connection, clock: Clock): Clicks {
  let waiting = new Set<() => void>();

  async function send(body: string, tries: number): Promise<void> {
    const those = waiting;
    try {
      // At once, beside the marks, and with keepalive: the page may be about to go.
      await ask(connection, "/clicked", { method: "POST", body, keepalive: true });
    } catch (error) {
      const isWorthIt = isPassing(error) && !(error instanceof Refused && tries + 1 >= MOST_TRIES);
      if (!isWorthIt || those !== waiting || those.size >= MOST_WAITING) return;
      const cancel = clock.after(waitBefore(tries), () => {
        those.delete(cancel);
        void send(body, tries + 1);
      });
      those.add(cancel);
    }
  }

  return {
    tell: (ids) => void send(JSON.stringify({ ids }), 0),
    forget() {
      for (const cancel of waiting) cancel();
      waiting = new Set();
    },
  };
}
