/**
 * Which way to the stream: the first that works, found by trying.
 *
 * A proxy that buffers lets a stream open and then says nothing; a firewall may cut every stream and let plain requests pass. Neither
 * can be told from the browser's name. A way is to blame when it brought nothing while a plain request is answered: at once if it stayed
 * silent or is not there in this browser, the second time if it failed, since the server may just have come back. After some time on a
 * worse way the first is tried again: networks change.
 */

import type { TransportName } from "./types";

const FAILURES = 2;
const BETTER_AFTER_MS = 10 * 60_000;

export class Ways {
  private index = 0;
  private failures = 0;
  /** Twice as long each time. */
  betterAfterMs = BETTER_AFTER_MS;

  constructor(private readonly names: readonly TransportName[]) {}

  get current(): TransportName {
    return this.names[this.index]!;
  }

  get isWorse(): boolean {
    return this.index > 0;
  }

  live(): void {
    this.failures = 0;
  }

  /** Back to the first. */
  tryBetter(): void {
    this.index = 0;
    this.betterAfterMs *= 2;
  }

  /** The current one is to blame. True when another is to be tried, at once. */
  blame(isCertain: boolean): boolean {
    this.failures += isCertain ? FAILURES : 1;
    if (this.failures < FAILURES) return false;
    this.failures = 0;
    this.index = (this.index + 1) % this.names.length;
    return this.index > 0;
  }
}
