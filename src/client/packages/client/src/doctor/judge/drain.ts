/** Whether the streams of a process that stops can all be opened elsewhere in the time it gives them. */

import type { Drain, Measured } from "../measured";
import type { Finding } from "../report";
import { type Verdict, fine, flaw, seconds, unchecked } from "./verdict";

/** Opening a stream costs up to 0.7 ms of CPU (docs/performance.md): 1,400 a second keep a process busy, and half of that leaves it room. */
const MOST_A_SECOND = 1400;
const EASY_A_SECOND = 700;
/** A process sends no more than 200 streams a second away while its window allows it. */
const PACE = 200;
/** Told to go, a client comes back within 0.5 to 3 s of its own choice. */
const RETRY_S = 3;

export function judgeDrain({ drain }: Measured): Verdict {
  if (drain === null) return unchecked("drain", "/health/ready did not say; it may not be passed on.");
  if (comingBack(drain) > EASY_A_SECOND * others(drain)) return tooShort(drain);
  if (drain.drainS < RETRY_S) return noWindow(drain);
  return fine("drain", "The drain window is long enough", `${situation(drain)}: at most ${Math.round(comingBack(drain))} a second come back.`);
}

/** A second. */
function comingBack({ open, drainS }: Drain): number {
  return Math.min(open, Math.max(PACE, open / Math.max(drainS, RETRY_S)));
}

/** Those that take over; one that is alone comes back itself. */
const others = ({ processes }: Drain): number => Math.max(1, (processes ?? 2) - 1);

function situation({ open, processes, drainS }: Drain): string {
  const among = processes === null ? "" : `, one of ${processes},`;
  return `This process${among} holds ${open === 1 ? "1 stream" : `${open} streams`} and drains for ${seconds(drainS)}`;
}

function tooShort(drain: Drain): Finding {
  const rate = Math.round(comingBack(drain));
  const severity = rate > MOST_A_SECOND * others(drain) ? "error" : "warning";
  const needed = Math.ceil(drain.open / (EASY_A_SECOND * others(drain)));
  return flaw(
    "drain",
    severity,
    "The drain window is too short",
    `${situation(drain)}: ${rate} a second come back, and one process opens ${EASY_A_SECOND} with ease, ${MOST_A_SECOND} at most.`,
    `Set TIDINGS_DRAIN_S to ${needed} or more, with as much more patience in what stops it (terminationGracePeriodSeconds, TimeoutStopSec), or run more processes.`,
  );
}

const noWindow = (drain: Drain): Finding =>
  flaw(
    "drain",
    "warning",
    "The drain window is too short",
    `${situation(drain)}: less than the 3 s within which those that are sent away come back, so all come at once.`,
    "Set TIDINGS_DRAIN_S to 10, which is the default, and TIDINGS_READINESS_DELAY_S to what the proxy takes to notice (interval × failures of its health check).",
  );
