/** What becomes of a stream and a long poll on which nothing happens. */

import type { Held, LongPoll, Measured } from "../measured";
import type { Finding } from "../report";
import { NO_BUFFER } from "./opening";
import { type Verdict, fine, flaw, seconds, unchecked } from "./verdict";

const BEAT_S = 15;
/** Our clients' own long polls; the API allows 60. */
const POLL_S = 25;
/** A heartbeat that takes longer than this on the way was held back: the wheel that sends them turns once a second. */
const LATE_S = 5;

const PATIENCE =
  "nginx: `proxy_read_timeout 75s;`. HAProxy: `timeout client 75s` and `timeout server 75s`. A load balancer: an idle time-out of 75 s or more. " +
  "Heartbeats come each 15 s, and a long poll waits up to 60.";

export function judgeIdle({ held, poll }: Measured): Verdict[] {
  const ofStream = held === null ? withoutStream() : [judgeBeats(held), judgeStream(held)];
  return [...ofStream, poll === null ? unchecked("poll-idle", "Tidings let no long poll wait.") : judgePoll(poll)];
}

function withoutStream(): Verdict[] {
  const why = "There was no stream to hold.";
  return [unchecked("heartbeats", why), unchecked("stream-idle", why)];
}

function judgeBeats(held: Held): Verdict {
  const silence = Math.max(...silences(held));
  if (silence > BEAT_S + LATE_S) return lumps(silence);
  if (held.heldS <= BEAT_S + LATE_S) return unchecked("heartbeats", `A stream was held for ${seconds(held.heldS)}; a heartbeat comes each 15 s.`);
  return fine("heartbeats", "Heartbeats come in time", `In ${seconds(held.heldS)} it was never silent for more than ${seconds(silence)}.`);
}

const lumps = (silence: number): Finding =>
  flaw(
    "heartbeats",
    "error",
    "What Tidings says comes late",
    `A stream was silent for ${seconds(silence)}, and Tidings says something each 15 s: a proxy keeps it until it has enough.`,
    NO_BUFFER,
  );

/** Between one thing heard and the next, from the first event to the end. */
function silences({ heardAtS, heldS }: Held): number[] {
  return [...heardAtS, heldS].map((at, index) => at - (heardAtS[index - 1] ?? 0));
}

function judgeStream(held: Held): Verdict {
  if (held.endedBy === "us") return fine("stream-idle", "A quiet stream stays open", `It was held for ${seconds(held.heldS)}.`);
  if (held.endedBy === "tidings") return unchecked("stream-idle", `Tidings ended it after ${seconds(held.heldS)}: ${held.lastWords}.`);
  const gaps = silences(held);
  const last = gaps.pop() ?? 0;
  // Whoever let a longer silence pass did not cut it for this one.
  return Math.max(0, ...gaps) >= last ? limited(held) : cutWhenQuiet(last);
}

const cutWhenQuiet = (silence: number): Finding =>
  flaw("stream-idle", "error", "Quiet streams are cut", `A stream was cut after ${seconds(silence)} in which nothing was said.`, PATIENCE);

const limited = ({ heldS }: Held): Finding =>
  flaw(
    "stream-idle",
    "warning",
    "Streams are cut after a while",
    `A stream was cut after ${seconds(heldS)}, although heartbeats passed: that is a limit of its whole time.`,
    "Raise what the proxy or load balancer allows a request in all. Nothing is lost, since clients resume, but each cut costs a reconnect.",
  );

function judgePoll(poll: LongPoll): Finding {
  if (!poll.wasCut) return fine("poll-idle", "Long polls may wait", `One waited for ${seconds(poll.stayedS)}.`);
  const how = poll.status === 0 ? "lost its connection" : `was answered ${poll.status}`;
  const found = `One that asked to wait for ${seconds(poll.wantedS)} ${how} after ${seconds(poll.stayedS)}.`;
  return flaw("poll-idle", poll.stayedS < POLL_S ? "error" : "warning", "Long polls are cut", found, PATIENCE);
}
