/** Asking the API, and whether asking again can help. */

import { Refused, type Connection } from "@tidings/client";

/** One that hangs must hold back neither the events nor the marks after it. */
const TIMEOUT_MS = 20_000;

/** what: below /v1/inbox. */
export async function ask<Answer>(connection: Connection, what: string, init?: RequestInit): Promise<Answer> {
  const response = await connection.fetch(`/v1/inbox${what}`, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
  return response.json() as Promise<Answer>;
}

/** True for what is wrong with the network or the server, and not with the question. */
export function isPassing(error: unknown): boolean {
  return !(error instanceof Refused) || error.status >= 500 || error.status === 429 || error.status === 408;
}

export const wordOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** In milliseconds, before the attempt-th try again (from 0): doubled up to half a minute, spread so that pages do not come back together. */
export function waitBefore(attempt: number, spread = Math.random()): number {
  return Math.min(1000 * 2 ** attempt, 30_000) * (0.75 + 0.5 * spread);
}
