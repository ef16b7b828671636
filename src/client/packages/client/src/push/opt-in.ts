/** Turning push on and off, in this browser and at Tidings. */

import type { Connection } from "../types";
import { pushRegistration, registered } from "./registration";
import { subscribed } from "./subscribe";
import { mustBeSupported, PushUnavailable } from "./unavailable";

export interface PushOptions {
  /** The address of a file of this origin that loads push-worker.js, as in /tidings-push.js. */
  worker: string;
}

const PATH = "/v1/push/subscriptions";
/** Whoever signs out does not wait for ever. */
const ANSWERS_WITHIN_MS = 10_000;

/**
 * Subscribe this browser for the person of the connection. Again at any time: what the browser or another person changed is mended.
 *
 * Asks for the permission if nobody was asked yet, which browsers allow after a click only. Rejects with PushUnavailable, or with `Refused`
 * as the API does.
 */
export async function enablePush(connection: Connection, { worker }: PushOptions): Promise<PushSubscription> {
  mustBeSupported();
  // Before its turn: a question to the person may stay open for ever, and nobody else is to wait for that.
  if (Notification.permission !== "granted") await mustBeAllowed();
  return inTurn(async () => {
    const registration = await registered(worker);
    const { key } = await ask<{ key: string }>(connection, "/v1/push/key");
    const subscription = await subscribed(registration, key);
    const { id } = await ask<{ id: string }>(connection, PATH, { method: "PUT", body: JSON.stringify(subscription) });
    keep(worker, id);
    return subscription;
  });
}

/**
 * From when this resolves nothing is pushed here. The browser and Tidings are told, of whom one is enough: what the browser gave up its
 * push service refuses to take. Rejects if neither could be told.   connection: null if there is none any more.
 */
export function disablePush(connection: Connection | null, { worker }: PushOptions): Promise<void> {
  return inTurn(async () => {
    const outcomes = await Promise.allSettled([unsubscribe(worker), giveUp(connection, kept(worker))]);
    const failures = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
    if (failures.length === outcomes.length) throw failures[0];
    keep(worker, null);
  });
}

/** As far as this browser remembers. */
export function isPushOn({ worker }: PushOptions): boolean {
  return kept(worker) !== null;
}

async function unsubscribe(worker: string): Promise<void> {
  const registration = await pushRegistration(worker);
  await (await registration?.pushManager?.getSubscription())?.unsubscribe();
}

async function giveUp(connection: Connection | null, id: string | null): Promise<void> {
  if (id === null) return;
  if (!connection) throw new Error("There is no connection by which to tell Tidings.");
  await connection.fetch(`${PATH}/${id}`, { method: "DELETE", signal: soon() });
}

/** One after the other in all tabs, so that the last word counts and no tab renews what another has just given up. */
function inTurn<Answer>(work: () => Promise<Answer>): Promise<Answer> {
  const { locks } = navigator;
  // Where there are no locks there is no push either, and `work` says so.
  return locks ? (locks.request("tidings:push", work) as Promise<Answer>) : work();
}

async function mustBeAllowed(): Promise<void> {
  const { permission } = Notification;
  if ((permission === "default" ? await Notification.requestPermission() : permission) === "granted") return;
  throw new PushUnavailable("denied", "The person has not allowed notifications.");
}

async function ask<Answer>(connection: Connection, path: string, init: RequestInit = {}): Promise<Answer> {
  return (await connection.fetch(path, { ...init, signal: soon() })).json() as Promise<Answer>;
}

const soon = (): AbortSignal => AbortSignal.timeout(ANSWERS_WITHIN_MS);

// Its id at Tidings, by which it is given up

const keyOf = (worker: string): string => `tidings:push:${worker}`;

function kept(worker: string): string | null {
  try {
    return localStorage.getItem(keyOf(worker));
  } catch {
    return null;
  }
}

function keep(worker: string, id: string | null): void {
  try {
    if (id === null) localStorage.removeItem(keyOf(worker));
    else localStorage.setItem(keyOf(worker), id);
  } catch {
    // Full, or switched off: it cannot be given up by name, and ends when the push service says that it is gone.
  }
}
