/** Which rows of a long list are drawn, by their heights. Pure; the page is measured elsewhere. */

/** Where each row begins; one more at the end is where the list ends. */
export function offsetsOf(heights: readonly number[]): number[] {
  const offsets = [0];
  for (const height of heights) offsets.push((offsets.at(-1) ?? 0) + height);
  return offsets;
}

/** The row at a distance from the top: the last that begins at or above it. */
export function rowAt(offsets: readonly number[], distance: number): number {
  let low = 0;
  let high = Math.max(offsets.length - 2, 0);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((offsets[middle] ?? 0) <= distance) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** first and end (exclusive) of the rows within the view and `margin` around it. */
export interface Window {
  first: number;
  end: number;
}

export function windowOf(offsets: readonly number[], top: number, height: number, margin: number): Window {
  const count = offsets.length - 1;
  if (count === 0) return { first: 0, end: 0 };
  return { first: rowAt(offsets, top - margin), end: Math.min(rowAt(offsets, top + height + margin) + 1, count) };
}

/**
 * How far to scroll on so that what one looks at stays where it is when rows come and go above it.
 *
 * before, after: where the rows in view begin, from the top; undefined for one that went away. The first that is still there holds.
 */
export function drift(before: readonly (number | undefined)[], after: readonly (number | undefined)[]): number {
  const held = after.findIndex((place) => place !== undefined);
  return (after[held] ?? 0) - (before[held] ?? 0);
}
