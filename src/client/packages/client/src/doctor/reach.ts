/** What becomes of a plain request with the token, and where it fails: what of it a browser lets a page know. */

import type { Reach } from "./measured";
import { ANSWERS_WITHIN_S, type Answer, Late, type Place, contentTypeOf, isProblem, parsed, sleep, wordsOf } from "./place";

const TOLD_WITHIN_S = 0.3;
/** Its shortest answer: where the log stands. */
export const PLAIN = "/v1/stream/poll?wait=0";

export async function measureReach(place: Place): Promise<Reach> {
  const policy = new Policy();
  try {
    return reachOf(await place.get(PLAIN));
  } catch (error) {
    place.signal.throwIfAborted();
    if (error instanceof Late) return { kind: "silent", afterS: ANSWERS_WITHIN_S };
    return await whyNot(place, policy, error);
  } finally {
    policy.end();
  }
}

function reachOf({ response, text, tookS }: Answer): Reach {
  if (isProblem(response)) return { kind: "refused", status: response.status, words: wordsOf(text) };
  if (response.ok && !response.redirected && cursorOf(text) !== null) return { kind: "answered", tookS };
  const location = response.redirected ? response.url : null;
  return { kind: "foreign", status: response.status, contentType: contentTypeOf(response), location };
}

export const cursorOf = (text: string): string | null => parsed<{ cursor?: string }>(text)?.cursor ?? null;

/** fetch says the same of all that follows: that it failed. */
async function whyNot(place: Place, policy: Policy, error: unknown): Promise<Reach> {
  if (isMixed(place.url)) return { kind: "mixed" };
  if (new URL(place.url).origin !== location.origin) {
    if (await passes(place, "cors")) return { kind: "preflight" };
    if (await passes(place, "no-cors")) return { kind: "cors" };
  }
  if (await policy.wasBroken(place.signal)) return { kind: "policy" };
  return { kind: "away", words: error instanceof Error ? error.message : String(error) };
}

async function passes(place: Place, mode: RequestMode): Promise<boolean> {
  try {
    await place.ask("/health/live", { mode });
    return true;
  } catch {
    return false;
  }
}

/** Browsers let pages of https ask their own machine. */
function isMixed(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return location.protocol === "https:" && protocol === "http:" && !/^(localhost|127\..*|\[::1\])$/.test(hostname);
}

/** Whether the page's Content-Security-Policy forbade a request meanwhile. */
class Policy {
  private readonly ending = new AbortController();
  private readonly broken: Promise<boolean>;

  constructor() {
    this.broken = new Promise((resolve) => {
      const hear = ({ effectiveDirective, disposition }: SecurityPolicyViolationEvent): void => {
        if (effectiveDirective === "connect-src" && disposition === "enforce") resolve(true);
      };
      document.addEventListener("securitypolicyviolation", hear, { signal: this.ending.signal });
    });
  }

  /** The event comes after the request has failed. */
  wasBroken(signal: AbortSignal): Promise<boolean> {
    return Promise.race([this.broken, sleep(TOLD_WITHIN_S, signal).then(() => false)]);
  }

  end(): void {
    this.ending.abort();
  }
}
