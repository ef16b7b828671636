/** The events of a connection, taken in together, and held back while a page is being read that they belong on top of. */

import type { Connection } from "@tidings/client";
import type { Fact } from "./apply";

export interface Intake {
  /** No event is taken in until the work is done, whose result is older than they are. */
  holdDuring(work: () => Promise<unknown>): Promise<void>;
  /** What waits concerns an inbox that is read afresh. */
  forget(): void;
  stop(): void;
}

const TYPES = ["notification", "notification.updated", "notification.retracted", "inbox.counts"] as const;

export function createIntake(connection: Connection, take: (facts: Fact[]) => void): Intake {
  const waiting: Fact[] = [];
  let holds = 0;
  let isDue = false;

  function drain(): void {
    isDue = false;
    if (holds === 0 && waiting.length > 0) take(waiting.splice(0));
  }

  /** Soon: what came in one piece of the stream is one change of the page. */
  function receive(fact: Fact): void {
    waiting.push(fact);
    if (!isDue) queueMicrotask(drain);
    isDue = true;
  }

  const stops = TYPES.map((type) => connection.on(type, (data) => receive({ type, data } as Fact)));
  return {
    async holdDuring(work) {
      holds += 1;
      try {
        await work();
      } finally {
        holds -= 1;
        drain();
      }
    },
    forget: () => void waiting.splice(0),
    stop: () => stops.forEach((stop) => stop()),
  };
}
