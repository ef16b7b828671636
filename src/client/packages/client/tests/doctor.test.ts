/** What the doctor says of what was measured. The command line is held to the same cases (tests/doctor/test_cases.py). */

import { describe, expect, it } from "vitest";
import file from "../../../../../tests/doctor/cases.json";
import { judge } from "../src/doctor/judge/judge";
import { seconds } from "../src/doctor/judge/verdict";
import type { Measured } from "../src/doctor/measured";
import type { Finding, Report, Unchecked } from "../src/doctor/report";

interface Case {
  name: string;
  /** Beside what is healthy. */
  measured: Partial<Measured>;
  ok: boolean;
  /** Other than those of the healthy. */
  findings: Finding[];
  unchecked: Unchecked[];
}

const healthy = file.healthy as Measured;
const fine = file.findings as Finding[];
const cases = file.cases as unknown as Case[];

const judged = (measured: Partial<Measured>): Report => judge({ ...healthy, ...measured });

describe("the doctor", () => {
  it("finds nothing to change where all is well", () => {
    expect(judge(healthy)).toEqual({ ok: true, findings: fine, unchecked: [], facts: healthy });
  });

  it.each(cases)("says of $name what there is to say", ({ measured, ok, findings, unchecked }) => {
    const report = judged(measured);
    const known = new Set(fine.map((finding) => JSON.stringify(finding)));
    expect(report.findings.filter((finding) => !known.has(JSON.stringify(finding)))).toEqual(findings);
    expect(report.unchecked).toEqual(unchecked);
    expect(report.ok).toBe(ok);
  });

  it("says nothing more where Tidings is not reached", () => {
    const unreached = cases.filter(({ measured }) => measured.reach);
    expect(unreached.length).toBeGreaterThan(5);
    for (const { measured } of unreached) expect(judged(measured).findings).toHaveLength(1);
  });

  it("says what to change wherever something is wrong, and only there", () => {
    for (const { measured } of cases) {
      for (const { severity, change } of judged(measured).findings) expect(change === null).toBe(severity === "ok");
    }
  });

  it("names the origin to add, and the setting", () => {
    const [finding] = judged({ origin: "https://app.example", reach: { kind: "cors" } }).findings;
    expect(finding!.change).toContain("Add https://app.example to TIDINGS_CORS_ORIGINS");
  });

  it("knows a limit of the whole time from one of silence", () => {
    const held = { ...healthy.held!, endedBy: "other" as const };
    const severityOf = (heardAtS: number[], heldS: number): string | undefined =>
      judged({ held: { ...held, heardAtS, heldS } }).findings.find(({ id }) => id === "stream-idle")?.severity;
    expect(severityOf([], 13)).toBe("error");
    expect(severityOf([9], 19)).toBe("error");
    expect(severityOf([14.2], 20)).toBe("warning");
  });
});

describe("a number of seconds", () => {
  it("has as many digits as matter", () => {
    expect([0.018, 3.04, 12.4, 70.02].map(seconds)).toEqual(["0.02 s", "3.0 s", "12 s", "70 s"]);
  });
});
