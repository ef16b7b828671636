/** A stream, opened and held, with a stopwatch. */

import { parser } from "../parse";
import type { Message } from "../types";
import { within } from "../wait";
import { OPENS_WITHIN_S } from "./judge/opening";
import type { Held, Opening } from "./measured";
import { type Place, contentTypeOf, secondsSince, sleep, wordsOf } from "./place";
import { PLAIN } from "./reach";

export class WatchedStream {
  private readonly began = performance.now();
  private readonly ending: AbortController;
  private readonly hasBegun: Promise<void>;
  private readonly isOver: Promise<void>;
  private begin: () => void = () => undefined;
  private head: Response | null = null;
  private headS: number | null = null;
  private readyS: number | null = null;
  private refusal = "";
  private lastWords = "";
  private readonly heardAtS: number[] = [];

  constructor(private readonly place: Place) {
    this.ending = within(place.signal);
    this.hasBegun = new Promise((resolve) => (this.begin = resolve));
    this.isOver = this.run();
  }

  /** What there was of it when its first event came, or when it was waited for long enough. */
  async opening(): Promise<Opening> {
    await Promise.race([this.hasBegun, this.isOver, sleep(OPENS_WITHIN_S, this.ending.signal)]);
    const plainS = this.readyS === null ? await this.plain() : null;
    return { headS: this.headS, readyS: this.readyS, plainS, status: this.head?.status ?? 0, words: this.refusal, ...headersOf(this.head) };
  }

  /** null when it never began. */
  async hold(wantedS: number): Promise<Held | null> {
    const isOver = this.readyS === null || (await Promise.race([this.isOver.then(() => true), this.until(wantedS)]));
    this.ending.abort();
    if (this.readyS === null) return null;
    const heardAtS = this.heardAtS.map((at) => at - this.readyS!).filter((at) => at > 0);
    const endedBy = !isOver ? "us" : this.lastWords ? "tidings" : "other";
    return { wantedS, heldS: secondsSince(this.began) - this.readyS, heardAtS, endedBy, lastWords: this.lastWords };
  }

  private async until(wantedS: number): Promise<false> {
    await sleep(wantedS - secondsSince(this.began) + (this.readyS ?? 0), this.ending.signal);
    return false;
  }

  private async plain(): Promise<number | null> {
    return this.place.get(PLAIN, OPENS_WITHIN_S).then(
      ({ tookS }) => tookS,
      () => null,
    );
  }

  /** Ends with the stream, whatever ended it. */
  private async run(): Promise<void> {
    try {
      this.head = await this.place.stream(this.ending.signal);
      this.headS = secondsSince(this.began);
      if (this.head.ok) await this.read(this.head.body!);
      else this.refusal = wordsOf(await this.head.text());
    } catch {
      // Broken, before its head or after: what was seen until then says which.
      if (!this.ending.signal.aborted) this.headS ??= secondsSince(this.began);
    }
  }

  private async read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    const parse = parser((message) => this.hear(message), () => undefined);
    const reader = body.getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      this.heardAtS.push(secondsSince(this.began));
      parse(decoder.decode(piece.value, { stream: true }));
    }
  }

  private hear({ type, data }: Message): void {
    if (type === "ready") {
      this.readyS = this.heardAtS.at(-1)!;
      this.begin();
    }
    if (type === "closed" || type === "reconnect") this.lastWords = `${type}, ${(data as { reason: string }).reason}`;
  }
}

function headersOf(head: Response | null): Pick<Opening, "contentType" | "contentEncoding" | "cacheControl" | "age"> {
  const get = (name: string): string | null => head?.headers.get(name) ?? null;
  return { contentType: head ? contentTypeOf(head) : "", contentEncoding: get("Content-Encoding"), cacheControl: get("Cache-Control"), age: get("Age") };
}
