/** Where the panel opens: below the bell, or above it where there is more room; its end at the bell's end, inside the window. Pure. */

interface Box {
  top: number;
  bottom: number;
  left: number;
  right: number;
}

interface Size {
  width: number;
  height: number;
}

/** As the style of an element takes it. */
export type Place = Record<"left" | "top" | "bottom" | "maxHeight", string>;

const FROM_BELL_PX = 8;
const FROM_EDGE_PX = 12;
/** It has at least this height, if the window has, and then covers the bell. */
const LEAST_PX = 320;

export function placeBy(bell: Box, width: number, window: Size, isRtl: boolean): Place {
  const wanted = isRtl ? bell.left : bell.right - width;
  const left = Math.max(FROM_EDGE_PX, Math.min(wanted, window.width - width - FROM_EDGE_PX));
  const below = window.height - bell.bottom;
  const isAbove = bell.top > below;
  const room = window.height - FROM_EDGE_PX;
  const start = Math.max(FROM_EDGE_PX, Math.min(window.height - (isAbove ? bell.top : below) + FROM_BELL_PX, room - LEAST_PX));
  return {
    left: `${left}px`,
    top: isAbove ? "auto" : `${start}px`,
    bottom: isAbove ? `${start}px` : "auto",
    maxHeight: `${room - start}px`,
  };
}
