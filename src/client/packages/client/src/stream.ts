/** One connection after the other, until its signal aborts: when to come back, by which way, and when not to. */

import { type Caller, Refused } from "./caller";
import { Silent } from "./silence";
import { polled } from "./transports/poll";
import { Unsupported } from "./transports/transport";
import type { Message, State, TransportName } from "./types";
import { Visit } from "./visit";
import { backOff, pause, reasonOf, within } from "./wait";
import { Ways } from "./ways";

const ANSWERS_WITHIN_MS = 3_000;
// Browsers have been wrong about being offline.
const OFFLINE_TRY_MS = 10_000;

/** Who wants the stream.   cursor: where it stands; moved by what it takes. */
export interface Sink {
  readonly cursor: string | null;
  take(message: Message): void;
  /** The server does not know the cursor. */
  startOver(why: string): void;
  stateOfStream(state: State): void;
}

export type Log = (line: string, detail?: unknown) => void;

export class Stream {
  private readonly ways: Ways;
  private attempt = 0;
  private retryMs = 1000;
  private refusals = 0;

  constructor(
    private readonly caller: Caller,
    names: readonly TransportName[],
    private readonly sink: Sink,
    private readonly log: Log,
  ) {
    this.ways = new Ways(names);
  }

  /** Ends when the signal aborts, with null; or with why the server will not have us. */
  async run(signal: AbortSignal): Promise<string | null> {
    while (!signal.aborted) {
      await this.online(signal);
      const { why, wasLive } = await this.visit(signal);
      if (signal.aborted) break;
      this.log(`${this.ways.current}: ${reasonOf(why)}`, why);
      if (this.isFinal(why)) return reasonOf(why);
      if (why instanceof Refused && (why.status === 400 || why.status === 410)) this.sink.startOver(reasonOf(why));
      if (wasLive || !(await this.isBlocked(why, signal)) || !this.ways.blame(why instanceof Silent || why instanceof Unsupported)) {
        await this.rest(why, signal);
      }
    }
    return null;
  }

  private async online(signal: AbortSignal): Promise<void> {
    if (navigator.onLine) return;
    this.sink.stateOfStream({ name: "offline" });
    await pause(OFFLINE_TRY_MS, signal);
  }

  /** One connection. Answers why it ended. */
  private async visit(signal: AbortSignal): Promise<{ why: unknown; wasLive: boolean }> {
    const transport = this.ways.current;
    this.sink.stateOfStream({ name: "connecting", attempt: this.attempt, transport });
    const visit = new Visit(this.caller, transport, this, signal);
    const better = this.ways.isWorse ? setTimeout(() => this.tryBetter(visit), this.ways.betterAfterMs) : undefined;
    const why = await visit.run();
    clearTimeout(better);
    return { why, wasLive: visit.wasLive };
  }

  private tryBetter(visit: Visit): void {
    this.ways.tryBetter();
    visit.end("perhaps a better way works now");
  }

  /** Whether something on the way holds streams back: the server answers at once where it does not stream. */
  private async isBlocked(why: unknown, signal: AbortSignal): Promise<boolean> {
    return why instanceof Unsupported || (!(why instanceof Refused) && (await this.answersPlainly(signal)));
  }

  private async answersPlainly(signal: AbortSignal): Promise<boolean> {
    const patience = within(signal);
    const timer = setTimeout(() => patience.abort(), ANSWERS_WITHIN_MS);
    try {
      await polled({ caller: this.caller, cursor: null, signal: patience.signal }, 0);
      return true;
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
      patience.abort();
    }
  }

  /** Whether it is no use to come back: a second refusal in a row, of a token that was certainly new. */
  private isFinal(why: unknown): boolean {
    const isRefused = why instanceof Refused && (why.status === 401 || why.status === 403);
    this.refusals = isRefused ? this.refusals + 1 : 0;
    if (isRefused) void this.caller.token(true).catch(() => undefined);
    return this.refusals > (this.caller.hasOneTokenOnly ? 0 : 1);
  }

  private async rest(why: unknown, signal: AbortSignal): Promise<void> {
    const asked = why instanceof Refused ? 1000 * why.retryAfter : 0;
    const wait = Math.round(Math.max(asked, backOff(this.attempt, this.retryMs)));
    this.attempt += 1;
    this.sink.stateOfStream({ name: "waiting", until: Date.now() + wait, why: reasonOf(why) });
    await pause(wait, signal);
  }

  // What a visit tells

  get cursor(): string | null {
    return this.sink.cursor;
  }

  take(message: Message): void {
    this.sink.take(message);
  }

  retry(ms: number): void {
    this.retryMs = ms;
  }

  live(transport: TransportName): void {
    this.attempt = 0;
    this.refusals = 0;
    this.ways.live();
    this.sink.stateOfStream({ name: "live", transport, since: Date.now() });
  }
}
