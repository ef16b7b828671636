/** What can be learned beside the stream: the protocol, the clocks, how the process would stop. */

import type { Clock, Drain } from "./measured";
import { type Answer, type Place, parsed, sleep } from "./place";
import { PLAIN } from "./reach";

const SEEN_WITHIN_S = 2;
/** The one that took least says the most of the clocks. */
const SAMPLES = 3;

/** As in `h2`; null where the browser does not say. */
export async function measureProtocol(place: Place): Promise<string | null> {
  // Its own, so that it can be told from others to the same place.
  const path = `/health/live?seen=${Math.random().toString(36).slice(2)}`;
  const seen = entryOf(place.url + path, place.signal);
  await place.ask(path).catch(() => undefined);
  return (await seen)?.nextHopProtocol || null;
}

/** Not from the list of the page, which holds 250 entries and no more. */
async function entryOf(url: string, signal: AbortSignal): Promise<PerformanceResourceTiming | undefined> {
  let found: PerformanceResourceTiming | undefined;
  await new Promise<void>((resolve) => {
    const observer = new PerformanceObserver((list) => {
      found ??= list.getEntriesByName(url)[0] as PerformanceResourceTiming | undefined;
      if (found) end();
    });
    const end = (): void => (observer.disconnect(), resolve());
    observer.observe({ type: "resource" });
    void sleep(SEEN_WITHIN_S, signal).then(end);
  });
  return found;
}

interface Health {
  time?: string;
  streams?: { open: number; processes: number | null; drain_s: number; readiness_delay_s: number };
}

export async function measureHealth(place: Place): Promise<{ clock: Clock | null; drain: Drain | null }> {
  const answers = await several(() => place.ask("/health/ready"));
  const clock = clockOf(answers) ?? clockOf(await several(() => place.get(PLAIN)));
  return { clock, drain: drainOf(answers[0]) };
}

async function several(ask: () => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let left = SAMPLES; left > 0; left -= 1) {
    const answer = await ask().catch(() => null);
    if (answer === null) break;
    answers.push(answer);
  }
  return answers.sort((one, other) => one.tookS - other.tookS);
}

/** By the first of them: half way between asking and the answer, the server's clock was read. */
function clockOf([quickest]: Answer[]): Clock | null {
  if (!quickest) return null;
  const there = timeOf(quickest);
  if (there === null) return null;
  const here = quickest.askedAt / 1000 + quickest.tookS / 2;
  return { aheadS: here - there.atS, withinS: there.withinS + quickest.tookS / 2 };
}

/** Tidings' own time, or the second that stands in Date, which a proxy writes by its own clock. */
function timeOf({ response, text }: Answer): { atS: number; withinS: number } | null {
  const own = Date.parse(parsed<Health>(text)?.time ?? "");
  if (!Number.isNaN(own)) return { atS: own / 1000, withinS: 0 };
  const second = Date.parse(response.headers.get("Date") ?? "");
  return Number.isNaN(second) ? null : { atS: second / 1000 + 0.5, withinS: 0.5 };
}

function drainOf(answer: Answer | undefined): Drain | null {
  const streams = answer && parsed<Health>(answer.text)?.streams;
  if (!streams) return null;
  return { open: streams.open, processes: streams.processes, drainS: streams.drain_s, readinessDelayS: streams.readiness_delay_s };
}
