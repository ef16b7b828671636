/** The browser's own subscription at its push service. One of a worker, and for one key. */

import { PushUnavailable } from "./unavailable";

/** Rejects with PushUnavailable.   key: of Tidings, a point of P-256 in base64url (RFC 8292). */
export async function subscribed({ pushManager }: ServiceWorkerRegistration, key: string): Promise<PushSubscription> {
  const applicationServerKey = bytesOf(key);
  try {
    const before = await pushManager.getSubscription();
    if (before && isSame(before.options.applicationServerKey, applicationServerKey)) return before;
    // With another key there can be no other beside it.
    await before?.unsubscribe();
    return await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
  } catch (error) {
    const { name, message } = error as Error;
    if (name === "NotAllowedError") throw new PushUnavailable("denied", "The person, or this browser, does not allow notifications.", error);
    throw new PushUnavailable("unreachable", `The browser's push service could not be reached: ${message}`, error);
  }
}

function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64url.replace(/-/g, "+").replace(/_/g, "/")), (character) => character.charCodeAt(0));
}

function isSame(kept: ArrayBuffer | null, wanted: Uint8Array): boolean {
  return kept !== null && String(new Uint8Array(kept)) === String(wanted);
}
