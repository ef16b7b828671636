/** From what was pushed to what is shown, and back from what was clicked. */

import type { Shown } from "./messages";
import type { PushEvent } from "./scope";

/** Ids of notifications are UUIDs, which tells ours from what others push. */
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Null for what Tidings did not push. */
export function readPush(data: PushEvent["data"]): Shown | null {
  try {
    const pushed = data?.json() as Partial<Record<keyof Shown, unknown>> | null | undefined;
    const isOurs = typeof pushed?.id === "string" && ID.test(pushed.id) && typeof pushed.title === "string";
    return isOurs ? (pushed as Shown) : null;
  } catch {
    return null;
  }
}

/** By its tag the same one is there once, however often it is pushed. */
export function optionsOf(shown: Shown): NotificationOptions & { data: { tidings: Shown } } {
  const { id, body, icon, lang, dir } = shown;
  return { tag: id, body: body ?? "", ...(icon && { icon }), ...(lang && { lang }), ...(dir && { dir }), data: { tidings: shown } };
}

/** Null for a notification that somebody else shows. */
export function shownBy({ data }: { readonly data: unknown }): Shown | null {
  return (data as { tidings?: Shown } | null)?.tidings ?? null;
}
