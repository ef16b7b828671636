/** Waiting, so that it can be cut short. */

const LONGEST_MS = 30_000;

/** How long before the attempt-th try (from 0): full jitter, so that clients that lost the same server do not come back together. */
export function backOff(attempt: number, firstMs: number, random = Math.random()): number {
  return random * Math.min(LONGEST_MS, firstMs * 2 ** attempt);
}

/** Ends after ms, or at once when the signal aborts or the browser is online again. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      removeEventListener("online", end);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    addEventListener("online", end);
    signal.addEventListener("abort", end);
  });
}

/** An AbortController that ends with the signal too. Whoever is done with it aborts it, so that the signal forgets it. */
export function within(signal: AbortSignal): AbortController {
  const controller = new AbortController();
  const abort = (): void => controller.abort(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { signal: controller.signal });
  return controller;
}

export function reasonOf(why: unknown): string {
  return why instanceof Error ? why.message : String(why);
}
