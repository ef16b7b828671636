/** What a screen reader is told. Arrivals within two seconds are one sentence, so that a burst does not talk over the person. */

import type { Clock } from "../clock";

const GATHER_MS = 2000;

export interface Announcer {
  arrived(count: number): void;
  say(text: string): void;
  stop(): void;
}

export function createAnnouncer(speak: (text: string) => void, sentence: (count: number) => string, clock: Clock): Announcer {
  let waiting = 0;
  let cancel = (): void => {};

  function tell(): void {
    speak(sentence(waiting));
    waiting = 0;
  }

  return {
    arrived(count) {
      if (waiting === 0) cancel = clock.after(GATHER_MS, tell);
      waiting += count;
    },
    say: speak,
    stop: () => cancel(),
  };
}
