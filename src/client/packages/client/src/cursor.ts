/** A cursor is EPOCH.POSITION. Positions of an epoch rise; those of two epochs cannot be compared. */

import { keep, recall } from "./stored";

function split(cursor: string): [epoch: string, position: number] {
  const dot = cursor.lastIndexOf(".");
  return [cursor.slice(0, dot), Number(cursor.slice(dot + 1))];
}

/** Whether everything up to `cursor` includes `other`. False for another epoch: it has to be asked for. */
export function reaches(cursor: string | null, other: string | null): boolean {
  if (other === null || cursor === other) return true;
  if (cursor === null) return false;
  const [epoch, position] = split(cursor);
  const [otherEpoch, otherPosition] = split(other);
  return epoch === otherEpoch && position >= otherPosition;
}

export function isOfEpoch(cursor: string, other: string): boolean {
  return split(cursor)[0] === split(other)[0];
}

const WRITE_EVERY_MS = 1000;

/** A cursor kept between visits; where storage is switched off, for this visit only. */
export class Bookmark {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private latest: string | null = null;
  private goesBack = false;

  constructor(private readonly key: string) {}

  read(): string | null {
    return recall(this.key);
  }

  /** Soon: a burst of a thousand events is one write.   goesBack: also if another tab was further, as after a reset. */
  write(cursor: string, goesBack = false): void {
    this.latest = cursor;
    this.goesBack ||= goesBack;
    this.timer ??= setTimeout(() => this.flush(), WRITE_EVERY_MS);
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.latest === null || (!this.goesBack && reaches(this.read(), this.latest))) return;
    this.goesBack = false;
    keep(this.key, this.latest);
  }
}
