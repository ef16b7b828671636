/** How a judgement is put, and how numbers are read out. */

import type { Finding, FindingId, Severity, Unchecked } from "../report";

export type Verdict = Finding | Unchecked;

export const fine = (id: FindingId, title: string, found: string): Finding => ({ id, severity: "ok", title, found, change: null });

export const flaw = (id: FindingId, severity: Exclude<Severity, "ok">, title: string, found: string, change: string): Finding => ({
  id,
  severity,
  title,
  found,
  change,
});

export const unchecked = (id: FindingId, why: string): Unchecked => ({ id, why });

export const isFinding = (verdict: Verdict): verdict is Finding => !isUnchecked(verdict);

export const isUnchecked = (verdict: Verdict): verdict is Unchecked => "why" in verdict;

/** 0.02 s, 3.1 s, 70 s. */
export function seconds(value: number): string {
  const digits = value < 1 ? 2 : value < 10 ? 1 : 0;
  return `${value.toFixed(digits)} s`;
}
