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
const STEADY_MS = 10_000;
// Whatever Retry-After says; above 2³¹ ms a timer ends at once.
const LONGEST_REST_MS = 300_000;

/** Who wants the stream.   cursor: where it stands; moved by what it takes. */
export interface Sink {
  readonly cursor: string | null;
  take(message: Message): void;
  /** The server does not know the cursor: take a new one, and say so. */
  startOver(why: string, signal: AbortSignal): Promise<void>;
  stateOfStream(state: State): void;
}

export type Log = (line: string, detail?: unknown) => void;

/** Whether the server says that it does not know the cursor. */
export function isOfCursor(why: unknown): boolean {
  return why instanceof Refused && (why.status === 400 || why.status === 410);
}

export class Stream {
  private readonly ways: Ways;
  private attempt = 0;
  private retryMs = 1000;

  constructor(
    private readonly caller: Caller,
    names: readonly TransportName[],
    private readonly sink: Sink,
    private readonly log: Log,
  ) {
    this.ways = new Ways(names, `tidings:${caller.url}:${names}`);
  }

  /** Ends when the signal aborts, with null; or with why the server will not have us. */
  async run(signal: AbortSignal): Promise<string | null> {
    while (!signal.aborted) {
      await this.online(signal);
      if (signal.aborted) break;
      const { why, wasLive } = await this.visit(signal);
      if (signal.aborted) break;
      this.log(`${this.ways.current}: ${reasonOf(why)}`, why);
      if (this.isFinal(why)) return reasonOf(why);
      if (isOfCursor(why)) await this.sink.startOver(reasonOf(why), signal).catch(() => undefined);
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
    const began = Date.now();
    const why = await visit.run();
    clearTimeout(better);
    // One that is cut as soon as it is open is no success.
    if (visit.wasLive && Date.now() - began > STEADY_MS) this.attempt = 0;
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
      await polled({ caller: this.caller, cursor: this.cursor, signal: patience.signal }, 0);
      return true;
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
      patience.abort();
    }
  }

  /** Whether it is no use to come back: the token was refused, and there is no other. Otherwise a new one is asked for. */
  private isFinal(why: unknown): boolean {
    if (!(why instanceof Refused) || (why.status !== 401 && why.status !== 403)) return false;
    if (!this.caller.hasOneTokenOnly) void this.caller.token(true).catch(() => undefined);
    return this.caller.hasOneTokenOnly;
  }

  private async rest(why: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const asked = why instanceof Refused ? 1000 * why.retryAfter : 0;
    const wait = Math.round(Math.min(asked + backOff(this.attempt, this.retryMs), LONGEST_REST_MS));
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
    this.ways.live();
    this.sink.stateOfStream({ name: "live", transport, since: Date.now() });
  }
}
