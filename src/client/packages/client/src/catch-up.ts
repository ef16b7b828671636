/** What a tab missed while another one streamed: asked of the server by polls that do not wait, and so count as no stream. */

import type { Caller } from "./caller";
import { isOfEpoch, reaches } from "./cursor";
import { isOfCursor } from "./stream";
import { messageOf, polled } from "./transports/poll";
import type { Message } from "./types";
import { backOff, pause, reasonOf } from "./wait";

const AGAIN_MS = 250;
const LONGEST_REST_MS = 10_000;

interface Page {
  readonly cursor: string | null;
  take(message: Message): void;
  startOver(reason: string, signal: AbortSignal): Promise<void>;
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

  /** A listener may end it in between. */
  private hand(messages: Message[]): void {
    for (const message of messages) if (!this.signal.aborted) this.page.take(message);
  }

  private async run(): Promise<void> {
    let rests = 0;
    while (!this.signal.aborted && !reaches(this.page.cursor, this.target)) {
      try {
        const { events, cursor } = await polled({ caller: this.caller, cursor: this.page.cursor, signal: this.signal }, 0);
        this.hand([...events.map(messageOf), { type: "moved", data: null, id: cursor }]);
        if (events.length > 0) {
          rests = 0;
          continue;
        }
        // A new history, of which the leader has yet to hear.
        if (this.target !== null && !isOfEpoch(this.target, cursor)) return;
        // Another process answered, which is a moment behind the leader's.
        if (!reaches(this.page.cursor, this.target)) await pause(Math.min(AGAIN_MS * 2 ** rests++, LONGEST_REST_MS), this.signal);
      } catch (error) {
        if (isOfCursor(error)) await this.page.startOver(reasonOf(error), this.signal).catch(() => undefined);
        rests += 1;
        await pause(AGAIN_MS + backOff(rests, 1000), this.signal);
      }
    }
  }
}
