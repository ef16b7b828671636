/** Long polls that nothing answers, with a stopwatch. */

import type { LongPoll } from "./measured";
import { type Answer, type Place, isProblem, parsed, secondsSince } from "./place";
import { PLAIN, cursorOf } from "./reach";

const LONGEST_S = 60;
/** What an answer may take beyond its wait. */
const GRACE_S = 10;

interface Polled {
  events: unknown[];
  cursor: string;
}

/** One that stays as long as it may; another one where events come between. null where Tidings itself lets none wait. */
export async function holdPolls(place: Place, forS: number): Promise<LongPoll | null> {
  const began = performance.now();
  const wantedS = Math.min(LONGEST_S, forS);
  let cursor = await place.get(PLAIN).then(({ text }) => cursorOf(text), () => null);
  let stayedS = 0;
  for (;;) {
    const waitS = Math.min(LONGEST_S, forS - secondsSince(began));
    // Events came between until the time was up.
    if (waitS < 1 && stayedS > 0) return { wantedS, stayedS, wasCut: false, status: 200 };
    const { answer, tookS } = await poll(place, cursor, Math.max(0, waitS));
    const said = answer && parsed<Polled>(answer.text);
    if (answer && isProblem(answer.response)) return null;
    if (!answer?.response.ok || !said?.cursor) return { wantedS, stayedS: tookS, wasCut: true, status: answer?.response.status ?? 0 };
    stayedS = Math.max(stayedS, tookS);
    if (said.events.length === 0) return stayedS < waitS - 1 ? null : { wantedS, stayedS, wasCut: false, status: 200 };
    cursor = said.cursor;
  }
}

/** answer: null for a connection that broke, or a proxy's own page, which a page of another origin may not see. */
async function poll(place: Place, cursor: string | null, waitS: number): Promise<{ answer: Answer | null; tookS: number }> {
  const began = performance.now();
  const path = `/v1/stream/poll?wait=${waitS.toFixed(1)}&cursor=${encodeURIComponent(cursor ?? "")}`;
  const answer = await place.get(path, waitS + GRACE_S).catch(() => null);
  return { answer, tookS: secondsSince(began) };
}
