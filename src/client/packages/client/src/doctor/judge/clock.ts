/** Whether this machine and Tidings mean the same time. */

import type { Measured } from "../measured";
import { type Verdict, fine, flaw, seconds, unchecked } from "./verdict";

const WARN_S = 5;
/** Tokens live for minutes, and those that a backend signs itself begin and end by its clock. */
const ERROR_S = 60;

export function judgeClock({ clock }: Measured): Verdict {
  if (clock === null) return unchecked("clock", "No answer said what time it is there.");
  const apart = Math.max(0, Math.abs(clock.aheadS) - clock.withinS);
  const found = `This machine is ${seconds(Math.abs(clock.aheadS))} ${clock.aheadS < 0 ? "behind" : "ahead of"} Tidings, give or take ${seconds(clock.withinS)}.`;
  if (apart <= WARN_S) return fine("clock", "The clocks agree", found);
  return flaw("clock", apart > ERROR_S ? "error" : "warning", "The clocks differ", found, SYNCHRONISE);
}

const SYNCHRONISE =
  "Let both keep time by NTP (chrony, systemd-timesyncd). Tokens live for minutes: one that a machine signs by a wrong clock is refused, or ends early.";
