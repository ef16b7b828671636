/** The examination, one thing after the other; what is quiet happens beside the stream that is held. */

import { judge } from "./judge/judge";
import { seconds } from "./judge/verdict";
import type { Measured } from "./measured";
import { Place } from "./place";
import { holdPolls } from "./polls";
import { measureReach } from "./reach";
import type { Options, Report } from "./report";
import { WatchedStream } from "./stream";
import { measureHealth, measureProtocol } from "./surroundings";

const IDLE_S = 70;

/** Look at the way from this browser to Tidings. Takes idleS and a few seconds. */
export async function doctor(options: Options): Promise<Report> {
  const signal = options.signal ?? new AbortController().signal;
  signal.throwIfAborted();
  const facts = await measure(new Place(options.url, options.token, signal), options.idleS ?? IDLE_S, options.onStep ?? (() => undefined));
  signal.throwIfAborted();
  return judge(facts);
}

async function measure(place: Place, idleS: number, step: (text: string) => void): Promise<Measured> {
  step("Asking for a plain answer.");
  const facts = { ...NOTHING, url: place.url, origin: location.origin, reach: await measureReach(place) };
  if (facts.reach.kind !== "answered") return facts;

  step("Opening a stream.");
  const stream = new WatchedStream(place);
  const opening = await stream.opening();

  const clock = tellTime(step, idleS);
  try {
    const [held, poll, protocol, health] = await Promise.all([
      stream.hold(idleS),
      holdPolls(place, idleS),
      measureProtocol(place),
      measureHealth(place),
    ]);
    return { ...facts, opening, held, poll, protocol, ...health };
  } finally {
    clearInterval(clock);
  }
}

function tellTime(step: (text: string) => void, idleS: number): ReturnType<typeof setInterval> {
  let passedS = 0;
  const tell = (): void => step(`Holding a stream and a long poll for ${seconds(idleS)}; ${passedS++} s have passed.`);
  tell();
  return setInterval(tell, 1000);
}

const NOTHING = { protocol: null, certificate: null, opening: null, held: null, poll: null, clock: null, drain: null };
