/** Which notifications a person has had before their eyes, for long enough to have noticed them. Told together. */

import type { Clock } from "../clock";

const NOTICED_AFTER_MS = 700;

export interface OnScreen {
  entered(id: string): void;
  left(id: string): void;
  stop(): void;
}

export function createOnScreen(clock: Clock, noticed: (ids: string[]) => void): OnScreen {
  const since = new Map<string, number>();
  let cancel: (() => void) | null = null;

  function look(): void {
    cancel = null;
    const ids = [...since].filter(([, at]) => at + NOTICED_AFTER_MS <= clock.now()).map(([id]) => id);
    ids.forEach((id) => since.delete(id));
    if (ids.length > 0) noticed(ids);
    if (since.size > 0) cancel = clock.after(NOTICED_AFTER_MS, look);
  }

  return {
    entered(id) {
      since.set(id, clock.now());
      cancel ??= clock.after(NOTICED_AFTER_MS, look);
    },
    left: (id) => void since.delete(id),
    stop: () => cancel?.(),
  };
}
