/** Opening and closing the panel by its bell: a dialog that is not modal, in the top layer, so that no header cuts it off. */

import { set } from "./dom";
import { placeBy } from "./place";

export interface Dialog {
  readonly isOpen: boolean;
  open(): void;
  close(): void;
}

/** toggled: it has just been opened or closed.   signal: ends it. */
export function createDialog(host: HTMLElement, panel: HTMLElement, bell: HTMLElement, toggled: () => void, signal: AbortSignal): Dialog {
  let isOpen = false;
  set(panel, { role: "dialog", popover: "manual", hidden: true });

  /** On a narrow screen the style makes it a sheet, whatever is set here. */
  function place(): void {
    const window = { width: document.documentElement.clientWidth, height: innerHeight };
    const isRtl = getComputedStyle(host).direction === "rtl";
    if (isOpen) Object.assign(panel.style, placeBy(bell.getBoundingClientRect(), panel.offsetWidth, window, isRtl));
  }

  function open(): void {
    if (isOpen) return;
    isOpen = true;
    panel.hidden = false;
    panel.showPopover();
    place();
    toggled();
  }

  /** The focus goes back to the bell, unless it went elsewhere by itself. */
  function close(): void {
    if (!isOpen) return;
    const hadFocus = panel.matches(":focus-within");
    isOpen = false;
    panel.hidden = true;
    panel.hidePopover();
    if (hadFocus) bell.focus();
    toggled();
  }

  bell.addEventListener("click", () => (isOpen ? close() : open()));
  document.addEventListener("pointerdown", (event) => event.composedPath().includes(host) || close(), { signal });
  host.addEventListener("keydown", (event) => event.key === "Escape" && close(), { signal });
  for (const type of ["resize", "scroll"]) addEventListener(type, place, { signal, passive: true, capture: true });
  return {
    get isOpen() {
      return isOpen;
    },
    open,
    close,
  };
}
