/** Where the panel opens: below the bell, or above one that is low on the page; its end at the bell's end, inside the window. Pure. */

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

export function placeBy(bell: Box, width: number, window: Size, isRtl: boolean): Place {
  const wanted = isRtl ? bell.left : bell.right - width;
  const left = Math.max(FROM_EDGE_PX, Math.min(wanted, window.width - width - FROM_EDGE_PX));
  const isLow = bell.top > window.height / 2;
  const room = isLow ? bell.top : window.height - bell.bottom;
  return {
    left: `${left}px`,
    top: isLow ? "auto" : `${bell.bottom + FROM_BELL_PX}px`,
    bottom: isLow ? `${window.height - bell.top + FROM_BELL_PX}px` : "auto",
    maxHeight: `${room - FROM_BELL_PX - FROM_EDGE_PX}px`,
  };
}
