/** What a tab missed while another one streamed: asked of the server by polls that do not wait, and so count as no stream. */

import { type Caller, Refused } from "./caller";
import { isOfEpoch, reaches } from "./cursor";
import { messageOf, polled } from "./transports/poll";
import type { Message } from "./types";
import { backOff, pause } from "./wait";

const AGAIN_MS = 250;

interface Page {
  readonly cursor: string | null;
  apply(message: Message): boolean;
  startOver(reason: string): void;
}

export class CatchUp {
  private target: string | null = null;
  private isRunning = false;

  constructor(
    private readonly caller: Caller,
    private readonly page: Page,
    private readonly signal: AbortSignal,
  ) {}

  /** Until the page stands at the target, or the last one that was named meanwhile. What the leader says until then comes this way too. */
  to(target: string | null): void {
    this.target = target;
    if (this.isRunning) return;
    this.isRunning = true;
    void this.run().finally(() => (this.isRunning = false));
  }

  private async run(): Promise<void> {
    let failures = 0;
    while (!this.signal.aborted && !reaches(this.page.cursor, this.target)) {
      try {
        const { events, cursor } = await polled({ caller: this.caller, cursor: this.page.cursor, signal: this.signal }, 0);
        for (const event of events) this.page.apply(messageOf(event));
        this.page.apply({ type: "moved", data: null, id: cursor });
        failures = 0;
        if (events.length > 0) continue;
        // A new history, of which the leader has yet to hear.
        if (this.target !== null && !isOfEpoch(this.target, cursor)) return;
        // Another process answered, which is a moment behind the leader's.
        if (!reaches(this.page.cursor, this.target)) await pause(AGAIN_MS, this.signal);
      } catch (error) {
        if (error instanceof Refused && (error.status === 400 || error.status === 410)) return this.page.startOver(error.message);
        failures += 1;
        await pause(AGAIN_MS + backOff(failures, 1000), this.signal);
      }
    }
  }
}
