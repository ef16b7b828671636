/** From measurements to findings: no request is made here. */

import type { Measured } from "../measured";
import type { Finding, Report } from "../report";
import { judgeClock } from "./clock";
import { judgeDrain } from "./drain";
import { judgeIdle } from "./idle";
import { judgeOpening } from "./opening";
import { judgeCertificate, judgeProtocol } from "./protocol";
import { judgeReach } from "./reach";
import { type Verdict, isFinding, isUnchecked } from "./verdict";

export function judge(facts: Measured): Report {
  const verdicts = verdictsOf(facts);
  const findings = verdicts.filter(isFinding);
  return { ok: findings.every(isFine), findings, unchecked: verdicts.filter(isUnchecked), facts };
}

/** Where Tidings is not reached, nothing else can be said. */
function verdictsOf(facts: Measured): Verdict[] {
  const reach = judgeReach(facts);
  if (facts.reach.kind !== "answered") return reach;
  return [
    ...reach,
    ...judgeCertificate(facts),
    judgeProtocol(facts),
    ...judgeOpening(facts),
    ...judgeIdle(facts),
    judgeClock(facts),
    judgeDrain(facts),
  ];
}

const isFine = ({ severity }: Finding): boolean => severity === "ok";
