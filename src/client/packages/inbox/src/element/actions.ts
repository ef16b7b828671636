/** The buttons that a notification asks for in `data.actions`. Untrusted: read field by field. */

import { safeUrl } from "./urls";

export interface Action {
  label: string;
  id: string | null;
  /** Absolute and safe to follow. */
  url: string | null;
  isPrimary: boolean;
}

/** More would be a form. */
const MOST = 3;

export function actionsOf(data: unknown, base: string): Action[] {
  const actions = isRecord(data) && Array.isArray(data.actions) ? (data.actions as unknown[]) : [];
  return actions.flatMap((action) => readAction(action, base) ?? []).slice(0, MOST);
}

function readAction(action: unknown, base: string): Action | null {
  if (!isRecord(action) || typeof action.label !== "string" || action.label === "") return null;
  const url = safeUrl(action.url, base);
  // An address that must not be followed makes no button that does something else.
  if (url === null && action.url !== undefined) return null;
  return { label: action.label, id: typeof action.id === "string" ? action.id : null, url, isPrimary: action.style === "primary" };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
