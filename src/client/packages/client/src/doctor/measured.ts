/** What was measured, before it is judged. The command line measures the same; its judgements are held to the same cases. */

export interface Measured {
  url: string;
  /** The page's; null on a command line, which no CORS concerns. */
  origin: string | null;
  reach: Reach;
  /** As in `h2` or `http/1.1`; null where it could not be seen. */
  protocol: string | null;
  /** Seen by a command line only. */
  certificate: Certificate | null;
  opening: Opening | null;
  held: Held | null;
  poll: LongPoll | null;
  clock: Clock | null;
  drain: Drain | null;
}

/** What became of a plain request with the token. */
export type Reach =
  | { kind: "answered"; tookS: number }
  /** Tidings itself said no: a token that is refused, or a process that cannot serve. */
  | { kind: "refused"; status: number; words: string }
  /** Something else than Tidings answered. */
  | { kind: "foreign"; status: number; contentType: string; location: string | null }
  | { kind: "silent"; afterS: number }
  | { kind: "away"; words: string }
  /** The certificate is not believed. */
  | { kind: "untrusted"; words: string }
  /** It answers, and the browser hides the answer from this origin. */
  | { kind: "cors" }
  /** It answers this origin, but not to a request with a token. */
  | { kind: "preflight" }
  /** A page that came over TLS may ask nothing without. */
  | { kind: "mixed" }
  /** The page's own Content-Security-Policy. */
  | { kind: "policy" };

/** From the request for a stream to its first event, or to what came instead. Seconds since the request; null: not in time. */
export interface Opening {
  headS: number | null;
  readyS: number | null;
  /** How long a plain request took at that time. */
  plainS: number | null;
  /** 0 for a connection that broke. */
  status: number;
  /** What a refusal said. */
  words: string;
  contentType: string;
  contentEncoding: string | null;
  cacheControl: string | null;
  age: string | null;
}

/** A stream that nothing happens on. */
export interface Held {
  /** For so long we meant to. */
  wantedS: number;
  /** From its first event to its end. */
  heldS: number;
  /** When something came, in seconds after its first event. */
  heardAtS: number[];
  /** other: whatever stands between. */
  endedBy: "us" | "tidings" | "other";
  /** What Tidings said when it ended it. */
  lastWords: string;
}

export interface LongPoll {
  wantedS: number;
  /** The longest that one stayed. */
  stayedS: number;
  wasCut: boolean;
  /** Of the answer that cut it; 0 for a connection that broke. */
  status: number;
}

export interface Clock {
  /** This machine's minus Tidings'. */
  aheadS: number;
  withinS: number;
}

export interface Drain {
  open: number;
  processes: number | null;
  drainS: number;
  readinessDelayS: number;
}

export interface Certificate {
  daysLeft: number;
  daysInAll: number;
}
