/** The stream over EventSource, which cannot send a header: a ticket in its URL stands for the token, and opens one stream only. */

import { type Transport, Unsupported, withCursor } from "./transport";

// EventSource gives events only to those who ask for them by name.
const NAMES = ["ready", "notification", "notification.updated", "notification.retracted", "inbox.counts", "reset", "reconnect", "closed"];

export const overEventSource: Transport = async (attempt) => {
  if (typeof EventSource === "undefined") throw new Unsupported("there is no EventSource here");
  const { caller, signal } = attempt;
  const answer = await caller.fetch("/v1/stream/tickets", { method: "POST", signal });
  const { ticket } = (await answer.json()) as { ticket: string };
  signal.throwIfAborted();
  const source = new EventSource(caller.url + withCursor(`/v1/stream?ticket=${ticket}`, attempt.cursor));
  const hear = (event: Event): void => {
    const { type, data, lastEventId } = event as MessageEvent<string>;
    attempt.message({ type, data: JSON.parse(data), id: lastEventId || null });
  };
  for (const name of NAMES) source.addEventListener(name, hear);
  // However the visit ends, it aborts.
  signal.addEventListener("abort", () => source.close());
  // It would come back by itself, with the ticket; coming back is ours, with one schedule for all three ways.
  await new Promise((resolve) => (source.onerror = resolve));
};
