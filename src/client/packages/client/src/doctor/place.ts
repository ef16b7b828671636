/** Tidings as this browser reaches it: requests that end in time, and how long they took. */

import { Caller } from "../caller";
import type { Token } from "../types";
import { within } from "../wait";

export const ANSWERS_WITHIN_S = 10;
const PROBLEM = "application/problem+json";

/** It took too long. */
export class Late extends Error {}

export interface Answer {
  response: Response;
  /** Of the whole answer. */
  text: string;
  /** In milliseconds of Date.now(). */
  askedAt: number;
  tookS: number;
}

export class Place {
  private readonly caller: Caller;
  readonly url: string;

  constructor(
    url: string,
    token: Token,
    readonly signal: AbortSignal,
  ) {
    this.url = url.replace(/\/+$/, "");
    this.caller = new Caller(this.url, token);
  }

  /** In the subscriber's name. Rejects with Late, or with what fetch says. */
  async get(path: string, withinS = ANSWERS_WITHIN_S): Promise<Answer> {
    return this.ask(path, { headers: await this.headers() }, withinS);
  }

  /** As anybody: without a token, so that cross-origin no OPTIONS goes before it. */
  async ask(path: string, init: RequestInit = {}, withinS = ANSWERS_WITHIN_S): Promise<Answer> {
    const patience = within(this.signal);
    const timer = setTimeout(() => patience.abort(new Late()), 1000 * withinS);
    const [askedAt, began] = [Date.now(), performance.now()];
    try {
      const response = await fetch(this.url + path, { cache: "no-store", ...init, signal: patience.signal });
      return { response, text: await response.text(), askedAt, tookS: secondsSince(began) };
    } finally {
      clearTimeout(timer);
      patience.abort();
    }
  }

  /** A stream's answer, as soon as its head is there. */
  async stream(signal: AbortSignal): Promise<Response> {
    const headers = { ...(await this.headers()), Accept: "text/event-stream" };
    return fetch(`${this.url}/v1/stream`, { cache: "no-store", headers, signal });
  }

  private async headers(): Promise<Record<string, string>> {
    return { Authorization: `Bearer ${await this.caller.token()}` };
  }
}

/** Whether Tidings itself refused. */
export const isProblem = (response: Response): boolean => contentTypeOf(response).startsWith(PROBLEM);

export const contentTypeOf = (response: Response): string => response.headers.get("Content-Type") ?? "";

/** A problem's own words; empty for what is none. */
export function wordsOf(text: string): string {
  const { detail, title } = parsed<{ detail?: string; title?: string }>(text) ?? {};
  return detail ?? title ?? "";
}

export function parsed<T>(text: string): T | null {
  try {
    return JSON.parse(text) as T;
  } catch {
    return null;
  }
}

export const secondsSince = (began: number): number => (performance.now() - began) / 1000;

/** Ends after so many seconds, or with the signal. */
export function sleep(forS: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, 1000 * forS);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
