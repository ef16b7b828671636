/** A watchdog: told of every sign of life, it ends what says nothing for too long. */

/** Nothing was heard. */
export class Silent extends Error {}

export class Silence {
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly end: (why: Silent) => void) {}

  /** From now on something has to be heard within ms; null: no more. */
  allow(ms: number | null): void {
    clearTimeout(this.timer);
    if (ms !== null) this.timer = setTimeout(() => this.end(new Silent(`nothing was heard for ${ms / 1000} s`)), ms);
  }
}
