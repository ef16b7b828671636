/** What the doctor is asked for, and what it answers. */

import type { Token } from "../types";
import type { Measured } from "./measured";

export interface Options {
  /** Where Tidings answers, as browsers know it: as in https://tidings.example. */
  url: string;
  /** A subscriber's token, or how to get one. */
  token: Token;
  /** How long to hold a stream and a long poll, in seconds. 70 is more than the 60 for which most proxies wait. */
  idleS?: number;
  /** What it is doing, for people who wait. */
  onStep?: (text: string) => void;
  /** Ends it: `doctor` rejects with the signal's reason. */
  signal?: AbortSignal;
}

export type Severity = "ok" | "warning" | "error";

export type FindingId =
  | "reachable"
  | "cors"
  | "token"
  | "certificate"
  | "protocol"
  | "opening"
  | "buffering"
  | "compression"
  | "caching"
  | "heartbeats"
  | "stream-idle"
  | "poll-idle"
  | "clock"
  | "drain";

/**
 * One thing that was looked at, by its id.
 *
 * found: what was measured.   change: what to do about it, and where.
 */
export type Finding = { id: FindingId; title: string; found: string } & (
  | { severity: "ok"; change: null }
  | { severity: Exclude<Severity, "ok">; change: string }
);

/** One thing that could not be looked at, and why. */
export interface Unchecked {
  id: FindingId;
  why: string;
}

export interface Report {
  /** Nothing to change: no warning and no error. */
  ok: boolean;
  findings: Finding[];
  unchecked: Unchecked[];
  /** What the findings rest on. */
  facts: Measured;
}
