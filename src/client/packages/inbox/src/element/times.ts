/** When something was, in words. Pure. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Further back, a date says more than a count of days. */
const LONGEST = 7 * DAY;

export interface TimeWords {
  /** As in "5 min. ago". */
  relative(at: number, now: number): string;
  /** As in "Tuesday, 25 November 2025 at 14:05". */
  full(at: number): string;
}

export function timeWords(locale: string): TimeWords {
  const ago = new Intl.RelativeTimeFormat(locale, { style: "short", numeric: "auto" });
  const date = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
  const full = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "short" });
  return {
    relative(at, now) {
      // A clock that is behind the server's makes nothing come out of the future.
      const passed = Math.max(now - at, 0);
      if (passed < MINUTE) return ago.format(0, "second");
      if (passed < HOUR) return ago.format(-Math.floor(passed / MINUTE), "minute");
      if (passed < DAY) return ago.format(-Math.floor(passed / HOUR), "hour");
      return passed < LONGEST ? ago.format(-Math.floor(passed / DAY), "day") : date.format(at);
    },
    full: (at) => full.format(at),
  };
}
