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

/** The same notification shown by several tabs is one: its id is the tag. */
export function showOnDesktop(item: Item, onClick: () => void): void {
  const shown = new Notification(item.title, { body: item.body ?? "", tag: item.id });
  shown.onclick = () => {
    window.focus();
    shown.close();
    onClick();
  };
}
