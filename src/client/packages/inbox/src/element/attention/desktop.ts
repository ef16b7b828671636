/** Notifications of the system by the page itself, while it is not being looked at. */

import type { Item } from "../../store/state";
import { prefers } from "./preferences";

/** granted, denied or default; undefined where there are none. */
export const permission = (): NotificationPermission | undefined => globalThis.Notification?.permission;

export const isDesktopOn = (): boolean => permission() === "granted" && prefers("desktop");

/** Call it from a click: browsers ask for permission only then. */
export async function askDesktop(): Promise<boolean> {
  return (await Notification.requestPermission()) === "granted";
}

/** Held by each tab of the site that a person is in. */
const LOOKED_AT = "tidings:inbox:looked-at";

/** Say to the other tabs when one is in this one. A lock and not a message: nobody must wait for answers, and a tab that died says nothing. */
export function tellOfFocus(signal: AbortSignal): void {
  let held = new AbortController();

  function follow(): void {
    held.abort();
    held = new AbortController();
    const ended = held.signal;
    if (!document.hasFocus() || signal.aborted) return;
    const untilEnded = (): Promise<void> => new Promise((resolve) => ended.addEventListener("abort", () => resolve()));
    navigator.locks?.request(LOOKED_AT, { mode: "shared", signal: ended }, untilEnded).catch(() => undefined);
  }

  for (const type of ["focus", "blur"]) addEventListener(type, follow, { signal });
  signal.addEventListener("abort", follow);
  follow();
}

/** Whether the person is in any tab of this site that has an inbox like this. */
export async function isLookedAt(): Promise<boolean> {
  if (document.hasFocus()) return true;
  const { held } = (await navigator.locks?.query()) ?? {};
  return held?.some(({ name }) => name === LOOKED_AT) ?? false;
}

/** The same notification shown by several tabs is one: its id is the tag. */
export function showOnDesktop(item: Item, onClick: () => void): void {
  const shown = new Notification(item.title, { body: item.body ?? "", tag: item.id });
  shown.onclick = () => {
    window.focus();
    shown.close();
    onClick();
  };
}
