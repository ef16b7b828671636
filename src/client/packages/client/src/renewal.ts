/** A stream ends with its token, unless it is given a newer one before. */

import { type Caller, lifeOf } from "./caller";
import { pause } from "./wait";

const AHEAD_MS = 60_000;
const AT_LEAST_MS = 1000;

/**
 * How long to wait before renewing, in milliseconds.
 *
 * expiresAt: the server's time. A clock that is wrong here makes it nonsense; then the token's own life counts, from when we were given it.
 */
export function renewalIn(expiresAt: number, lifeMs: number, now: number): number {
  const left = expiresAt - now;
  const believable = left > 0 && left <= lifeMs ? left : lifeMs;
  return Math.max(AT_LEAST_MS, believable - AHEAD_MS, believable / 2);
}

/** Renew it for ever. Ends with the signal; a renewal that fails is tried again, and a stream that expired opens anew with a new token. */
export async function keepRenewed(caller: Caller, stream: string, expiresAt: number, signal: AbortSignal): Promise<void> {
  if (caller.hasOneTokenOnly) return;
  let expiry = expiresAt;
  while (!signal.aborted) {
    // Cut short when the browser is back online, when renewing early does no harm.
    await pause(renewalIn(expiry, 1000 * lifeOf(await caller.token()), Date.now()), signal);
    if (signal.aborted) return;
    try {
      await caller.token(true);
      const answer = await caller.fetch("/v1/stream/renew", { method: "POST", body: JSON.stringify({ stream }), signal });
      expiry = Date.parse(((await answer.json()) as { expires_at: string }).expires_at);
    } catch {
      expiry = Math.max(expiry, Date.now() + 10_000);
    }
  }
}
