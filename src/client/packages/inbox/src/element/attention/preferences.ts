/** What a person chose on this browser. Where storage is switched off, nothing is chosen. */

export type Preference = "quiet" | "desktop";

const keyOf = (name: Preference): string => `tidings:inbox:${name}`;

export function prefers(name: Preference): boolean {
  try {
    return localStorage.getItem(keyOf(name)) === "true";
  } catch {
    return false;
  }
}

export function choose(name: Preference, value: boolean): void {
  try {
    localStorage.setItem(keyOf(name), String(value));
  } catch {
    // Full, or switched off.
  }
}
