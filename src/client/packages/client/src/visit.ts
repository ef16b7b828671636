/** One connection to the server, by one way: what it hears, when it is live, and what ends it. */

import { type Caller, Refused } from "./caller";
import { keepRenewed } from "./renewal";
import { Silence } from "./silence";
import { overEventSource } from "./transports/eventsource";
import { overFetch } from "./transports/fetch";
import { overPoll } from "./transports/poll";
import type { Attempt, Transport } from "./transports/transport";
import type { Message, TransportName } from "./types";
import { within } from "./wait";

// The server says something each 15 s, and answers a poll within 25.
const SILENCE_MS = 40_000;
// A server that is behind may take five to know the cursor.
const OPENS_WITHIN_MS = 8_000;
// EventSource keeps heartbeats to itself, so its silence says little.
const DEAF_SILENCE_MS = 300_000;
// Whoever comes back to a page after this long does not wait for the watchdog to learn that the connection is gone.
const STALE_MS = 30_000;

const TRANSPORTS: Record<TransportName, Transport> = { fetch: overFetch, eventsource: overEventSource, poll: overPoll };

/** Who wants the stream.   cursor: where it stands, moved by what it takes. */
export interface Taker {
  readonly cursor: string | null;
  take(message: Message): void;
  live(transport: TransportName): void;
  retry(ms: number): void;
}

export class Visit implements Attempt {
  wasLive = false;
  /** Why the server closed it, if it said so. */
  closed: string | null = null;
  private readonly ending: AbortController;
  private readonly silence = new Silence((why) => this.ending.abort(why));
  private heardAt = Date.now();

  constructor(
    readonly caller: Caller,
    private readonly name: TransportName,
    private readonly taker: Taker,
    signal: AbortSignal,
  ) {
    this.ending = within(signal);
  }

  get cursor(): string | null {
    return this.taker.cursor;
  }

  get signal(): AbortSignal {
    return this.ending.signal;
  }

  /** Answers why it ended. */
  async run(): Promise<unknown> {
    addEventListener("offline", this.cut);
    document.addEventListener("visibilitychange", this.look);
    try {
      await Promise.race([this.open(), this.aborted()]);
      return this.closed === null ? new Error("the server ended the stream") : new Refused(401, this.closed);
    } catch (error) {
      // A request that was aborted says only that; the signal knows why.
      return this.signal.aborted ? this.signal.reason : error;
    } finally {
      this.silence.allow(null);
      removeEventListener("offline", this.cut);
      document.removeEventListener("visibilitychange", this.look);
      this.ending.abort();
    }
  }

  private async open(): Promise<void> {
    // How long the page takes to find a token says nothing about the way.
    await this.caller.token();
    this.silence.allow(OPENS_WITHIN_MS);
    await TRANSPORTS[this.name](this);
  }

  /** Whatever the way waits for, and be it the page's token, ends with the signal. */
  private aborted(): Promise<never> {
    return new Promise((_, reject) => {
      const end = (): void => reject(this.signal.reason);
      // A listener of the state may have closed it before it began.
      if (this.signal.aborted) end();
      else this.signal.addEventListener("abort", end);
    });
  }

  end(why: string): void {
    this.ending.abort(new Error(why));
  }

  private readonly cut = (): void => this.end("the browser went offline");

  private readonly look = (): void => {
    if (!document.hidden && this.name !== "eventsource" && Date.now() - this.heardAt > STALE_MS) this.end("the page slept");
  };

  heard(): void {
    this.heardAt = Date.now();
    if (this.wasLive) this.silence.allow(this.name === "eventsource" ? DEAF_SILENCE_MS : SILENCE_MS);
  }

  retry(ms: number): void {
    this.taker.retry(ms);
  }

  message(message: Message): void {
    // A listener may have closed it; what comes after in the same piece was not handed out.
    if (this.signal.aborted) return;
    const { type, data } = message;
    if (type === "closed") this.closed = (data as { reason: string }).reason;
    if (type === "ready" || type === "moved") this.live();
    if (type === "ready") this.renew(data as { stream: string; expires_at: string });
    this.heard();
    this.taker.take(message);
  }

  private live(): void {
    if (this.wasLive) return;
    this.wasLive = true;
    this.taker.live(this.name);
  }

  private renew({ stream, expires_at }: { stream: string; expires_at: string }): void {
    void keepRenewed(this.caller, stream, Date.parse(expires_at), this.signal).catch(() => undefined);
  }
}
