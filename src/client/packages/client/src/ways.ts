/**
 * Which way to the stream: the first that works, found by trying.
 *
 * A proxy that buffers lets a stream open and then says nothing; a firewall may cut every stream and let plain requests pass. Neither
 * can be told from the browser's name. A way is to blame when it brought nothing while a plain request is answered: at once if it stayed
 * silent or is not there in this browser, the second time if it failed, since the server may just have come back. After some time on a
 * worse way the first is tried again: networks change.
 *
 * Finding out costs sixteen seconds behind such a proxy, so for an hour other pages begin with what was found. They believe it only until
 * it fails.
 */

import { keep, recall } from "./stored";
import type { TransportName } from "./types";

const FAILURES = 2;
const BETTER_AFTER_MS = 10 * 60_000;
const REMEMBERED_MS = 60 * 60_000;

export class Ways {
  /** -1: the one that is remembered. */
  private index = 0;
  private remembered: TransportName | undefined;
  private failures = 0;
  /** Twice as long each time. */
  betterAfterMs = BETTER_AFTER_MS;

  /** key: under which this browser remembers. */
  constructor(
    private readonly names: readonly TransportName[],
    private readonly key: string,
  ) {
    const [index, at] = (recall(key) ?? "").split(" ").map(Number) as [number, number];
    // A clock that was wrong then, or is now, must not make it last.
    if (!index || !names[index] || !(Math.abs(Date.now() - at) < REMEMBERED_MS)) return;
    this.remembered = names[index];
    this.index = -1;
    this.failures = FAILURES - 1;
  }

  get current(): TransportName {
    return this.names[this.index] ?? this.remembered!;
  }

  get isWorse(): boolean {
    return this.index !== 0;
  }

  /** The hour counts from when it was found out, not from when it was believed. */
  live(): void {
    this.failures = 0;
    if (this.index >= 0) keep(this.key, `${this.index} ${Date.now()}`);
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
