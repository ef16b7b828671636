/**
 * One connection for all tabs of a browser: HTTP/1.1 allows six to a server, for all tabs together.
 *
 * The tab that holds the Web Lock leads: it streams, and tells the others over a BroadcastChannel. When it goes, however it goes, the
 * browser gives the lock to the next. Each message says where the stream stood before it, so a tab that missed one sees the gap, and asks
 * the server for what lies between by a poll that does not wait: nothing depends on the leader's memory.
 *
 * A leader that was frozen in the background keeps its lock. A tab that is looked at and gets no answer from it takes the lock away.
 */

import type { Message, State } from "./types";
import { within } from "./wait";

const ANSWERS_WITHIN_MS = 800;
// A leader may fall asleep while another tab is in view.
const LOOK_EVERY_MS = 15_000;

/** Of what tabs say to each other: those from before and after an upgrade do not share. */
const FORMAT = 1;

/** What comes over the stream, or "state" with its cursor, or "ask".   previous: the leader's cursor before the message. */
interface Said extends Message {
  previous: string | null;
}

export interface Tab {
  readonly state: State;
  readonly cursor: string | null;
  /** Stream until the signal aborts. */
  lead(signal: AbortSignal): Promise<void>;
  /** What the leader says. */
  follow(message: Message, previous: string | null): void;
  followState(state: State, cursor: string | null): void;
}

export const canShare = (): boolean => typeof BroadcastChannel !== "undefined" && typeof navigator.locks?.request === "function";

const isCursor = (value: unknown): boolean => value === null || typeof value === "string";

/** Whatever runs on this origin may speak on the channel. */
function isSaid(heard: unknown): heard is Said {
  const { type, data, id, previous } = Object(heard) as Partial<Record<keyof Said, unknown>>;
  return !!type && [type, id, previous].every(isCursor) && (type !== "state" || !!(data as State | null)?.name);
}

export class Tabs {
  private readonly name: string;
  private readonly channel: BroadcastChannel;
  isLeading = false;
  private answered = false;

  constructor(
    name: string,
    private readonly tab: Tab,
    private readonly signal: AbortSignal,
  ) {
    this.name = `${name}:${FORMAT}`;
    this.channel = new BroadcastChannel(this.name);
    this.channel.onmessage = ({ data }) => isSaid(data) && this.hear(data);
    document.addEventListener("visibilitychange", () => document.hidden || this.look(), { signal });
  }

  /** Ends with the signal, or when leading ended by itself. */
  async run(): Promise<void> {
    this.look();
    const looking = setInterval(() => document.hidden || this.isLeading || this.look(), LOOK_EVERY_MS);
    this.signal.addEventListener("abort", () => {
      clearInterval(looking);
      this.channel.close();
    });
    while (!this.signal.aborted) {
      try {
        if (await this.queue({ signal: this.signal })) return;
      } catch (error) {
        // The lock was taken away; or none is to be had, as in a frame without an origin: then this tab is on its own.
        if ((error as Error).name !== "AbortError") return this.tab.lead(this.signal);
      }
    }
  }

  tell(message: Message, previous: string | null): void {
    if (this.isLeading) this.say(message, previous);
  }

  tellState(): void {
    this.say({ type: "state", data: this.tab.state, id: this.tab.cursor });
  }

  private say(message: Message, previous: string | null = null): void {
    if (!this.signal.aborted) this.channel.postMessage({ ...message, previous } satisfies Said);
  }

  private hear({ previous, ...message }: Said): void {
    const { type, data, id } = message;
    if (type === "ask") {
      if (this.isLeading) this.tellState();
      return;
    }
    this.answered = true;
    // When the lock was taken from one, two lead for a moment: each hears its own stream.
    if (this.isLeading) return;
    if (type === "state") this.tab.followState(data as State, id);
    else this.tab.follow(message, previous);
  }

  /** Wait for the lock, and lead while it is ours. True when leading ended by itself; rejects when the lock was taken away. */
  private async queue(options: LockOptions): Promise<boolean> {
    const leading = within(this.signal);
    try {
      return await navigator.locks.request(this.name, options, async (): Promise<boolean> => {
        this.isLeading = true;
        await this.tab.lead(leading.signal);
        return !this.signal.aborted;
      });
    } finally {
      this.isLeading = false;
      leading.abort();
    }
  }

  /** Also from a leader that waits to come back: timers of tabs in the background run once a minute. */
  private shouldTake(): boolean {
    const isLed = this.isLeading || (this.answered && this.tab.state.name !== "waiting");
    return !isLed && !document.hidden && !this.signal.aborted;
  }

  /** Is anybody leading? */
  private look(): void {
    this.answered = this.isLeading;
    this.say({ type: "ask", data: null, id: null });
    setTimeout(() => {
      if (this.shouldTake()) void this.queue({ steal: true }).catch(() => false);
    }, ANSWERS_WITHIN_MS);
  }
}
