/** Long polling: slower and dearer, and nothing on the way can hold it back, because each answer ends. */

import type { Message } from "../types";
import { pause } from "../wait";
import { type Attempt, type Transport, withCursor } from "./transport";

const WAIT_S = 25;
const TOO_SOON_MS = 1000;

export interface Polled {
  events: { id: string; event: string; data: unknown }[];
  cursor: string;
}

export const overPoll: Transport = async (attempt) => {
  // The first answers at once, which shows that this way works.
  for (let waitS = 0; ; waitS = WAIT_S) {
    const began = Date.now();
    const { events, cursor } = await polled(attempt, waitS);
    attempt.heard();
    for (const event of events) attempt.message(messageOf(event));
    // Past events that are somebody else's.
    attempt.message({ type: "moved", data: null, id: cursor });
    // Whoever answers without waiting, as a cache or a server about to stop, would be asked a hundred times a second.
    if (waitS > 0 && events.length === 0 && Date.now() - began < TOO_SOON_MS) await pause(TOO_SOON_MS, attempt.signal);
  }
};

/** One poll. Without a cursor it answers at once with where things stand. */
export async function polled({ caller, cursor, signal }: Pick<Attempt, "caller" | "cursor" | "signal">, waitS: number): Promise<Polled> {
  const response = await caller.fetch(withCursor(`/v1/stream/poll?wait=${waitS}`, cursor), { signal });
  return (await response.json()) as Polled;
}

export function messageOf({ id, event, data }: Polled["events"][number]): Message {
  return { type: event, data, id };
}
