/** Time as an argument, so that tests need not wait for it. */

export interface Clock {
  now(): number;
  /** Answers how to call it off. */
  after(ms: number, then: () => void): () => void;
}

export const wallClock: Clock = {
  now: () => Date.now(),
  after(ms, then) {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};
