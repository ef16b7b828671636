/** Asking the API in one subscriber's name: a token that is fresh enough, and one more try when it was refused. */

import type { Token } from "./types";

/** What the server said to it, in its own words (RFC 9457). */
export class Refused extends Error {
  override readonly name = "Refused";

  constructor(
    readonly status: number,
    message: string,
    /** Seconds, as in Retry-After; 0 when it names none. */
    readonly retryAfter = 0,
  ) {
    super(message);
  }
}

/** The part of a token's claims that concerns a client. Seconds since 1970. */
interface Claims {
  sub?: string;
  project?: string;
  iat?: number;
  exp?: number;
}

/** Unchecked, as a client cannot check it. Empty for what is no JWT (RFC 7519). */
export function claimsOf(token: string): Claims {
  try {
    const bytes = Uint8Array.from(atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) as Claims;
  } catch {
    return {};
  }
}

const WORKS_FOR_S = 900;
// A page's own answer that never comes must not stop all its tabs.
const TOKEN_WITHIN_MS = 30_000;

export class Caller {
  private asked: Promise<string> | undefined;
  /** When the token was handed to us, and from when on to ask for another; by performance.now(), which no clock change moves. */
  private staleAt = 0;
  private person: string | undefined;

  /** left: told when the page brings another person's token, of which this one makes no use. */
  constructor(
    readonly url: string,
    private readonly source: Token,
    private readonly left?: (caller: Caller) => void,
  ) {}

  get hasOneTokenOnly(): boolean {
    return typeof this.source === "string";
  }

  /** fresh: the one before was refused, or is about to expire. */
  token(fresh = false): Promise<string> {
    if (typeof this.source === "string") return Promise.resolve(this.source);
    if (fresh || !this.asked || performance.now() > this.staleAt) {
      this.staleAt = Infinity; // those who ask meanwhile wait for the same one
      this.asked = this.ask(this.source);
    }
    return this.asked;
  }

  private async ask(source: () => string | Promise<string>): Promise<string> {
    try {
      const token = await inTime(source, TOKEN_WITHIN_MS);
      this.staleAt = performance.now() + 800 * lifeOf(token);
      this.check(token);
      return token;
    } catch (error) {
      this.asked = undefined;
      throw error;
    }
  }

  /** What was begun for one person must not be asked in the name of another. */
  private check(token: string): void {
    const { project, sub } = claimsOf(token);
    const person = `${project}:${sub}`;
    if (person === (this.person ??= person)) return;
    this.left?.(this);
    throw new Refused(401, "somebody else is signed in");
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const token = await this.token();
    try {
      return await this.once(path, init, token);
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401 || this.hasOneTokenOnly) throw error;
      return this.once(path, init, await this.token(true));
    }
  }

  private async once(path: string, init: RequestInit, token: string): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("Authorization", `Bearer ${token}`);
    if (init.body) headers.set("Content-Type", "application/json");
    const response = await fetch(this.url + path, { cache: "no-store", ...init, headers });
    if (response.ok) return response;
    // What else answers than Tidings, as a gateway does, has refused nothing in its name.
    if (!response.headers.get("Content-Type")?.includes("problem+json")) throw new Error(`HTTP ${response.status}`);
    const problem = (await response.json().catch(() => ({}))) as { detail?: string; title?: string };
    const text = problem.detail ?? problem.title ?? `HTTP ${response.status}`;
    throw new Refused(response.status, text, Number(response.headers.get("Retry-After")) || 0);
  }
}

/** What the page answers, also when it throws before it promises anything. */
async function inTime<Answer>(ask: () => Answer | Promise<Answer>, ms: number): Promise<Answer> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error("token() does not answer")), ms)));
  return Promise.race([Promise.resolve().then(ask), late]).finally(() => clearTimeout(timer));
}

/** Seconds. Counted from when it was made, so that a clock that is wrong here does not matter. */
export function lifeOf(token: string): number {
  const { iat = NaN, exp = NaN } = claimsOf(token);
  return exp > iat ? exp - iat : WORKS_FOR_S;
}
