import type { Caller } from "../caller";
import type { Message } from "../types";

/** What a way to get at the stream is given, for one connection. */
export interface Attempt {
  readonly caller: Caller;
  /** Where to go on; moves with what `message` was given. */
  readonly cursor: string | null;
  readonly signal: AbortSignal;
  /** Something came, be it only a heartbeat. */
  heard(): void;
  message(message: Message): void;
  /** The server's wish, in milliseconds, for when this ends. */
  retry(ms: number): void;
}

/**
 * One connection, from its request to its end.
 *
 * Resolves when the server ended it, rejects with why it could not be, or was cut.
 */
export type Transport = (attempt: Attempt) => Promise<void>;

/** This browser cannot do it this way. */
export class Unsupported extends Error {}

/** The path and, if there is one, the cursor to go on from. */
export function withCursor(path: string, cursor: string | null): string {
  return cursor === null ? path : `${path}${path.includes("?") ? "&" : "?"}cursor=${encodeURIComponent(cursor)}`;
}
