/**
 * Opening and closing the panel by its bell: a dialog in the top layer, so that no header cuts it off. It is not modal, but where it is a
 * sheet over the page: what lies beneath must not take the focus (WCAG 2.4.11).
 */

import { set } from "./dom";
import { placeBy } from "./place";

export interface Dialog {
  readonly isOpen: boolean;
  open(): void;
  close(): void;
}

/** prepared: what it needs to be shown has come.   toggled: it has just been opened or closed.   signal: ends it. */
export function createDialog(
  host: HTMLElement,
  panel: HTMLDialogElement,
  bell: HTMLElement,
  prepared: () => Promise<void>,
  toggled: () => void,
  signal: AbortSignal,
): Dialog {
  /** As in panel.css. */
  const narrow = matchMedia("(max-width: 480px)");
  let isOpen = false;
  let own: Event | undefined;
  set(panel, { popover: "manual", hidden: true });

  /** On a narrow screen the style makes it a sheet, whatever is set here. */
  function place(): void {
    const window = { width: document.documentElement.clientWidth, height: innerHeight };
    const isRtl = getComputedStyle(host).direction === "rtl";
    if (!panel.hidden) Object.assign(panel.style, placeBy(bell.getBoundingClientRect(), panel.offsetWidth, window, isRtl));
  }

  function show(): void {
    panel.hidden = false;
    if (narrow.matches) panel.showModal();
    else panel.showPopover();
    place();
  }

  function hide(): void {
    panel.close();
    panel.togglePopover(false);
    panel.hidden = true;
  }

  async function open(): Promise<void> {
    if (isOpen) return;
    isOpen = true;
    await prepared();
    if (!isOpen || !panel.hidden || signal.aborted) return; // closed meanwhile, or opened twice
    show();
    toggled();
  }

  /** The focus goes back to the bell, unless it went elsewhere by itself. */
  function close(): void {
    const hadFocus = panel.matches(":focus-within");
    const wasShown = !panel.hidden;
    isOpen = false;
    if (!wasShown) return;
    hide();
    if (hadFocus) bell.focus();
    toggled();
  }

  function showAnew(): void {
    if (panel.hidden) return;
    const focused = (panel.getRootNode() as ShadowRoot).activeElement as HTMLElement | null;
    hide();
    show();
    focused?.focus();
  }

  /** Inside a closed shadow root the document is not told where in it something was; only that it was the same event. */
  function press(event: PointerEvent): void {
    const isBeside = event.composedPath()[0] === panel && event.clientY < panel.getBoundingClientRect().top;
    if (!isBeside) own = event;
  }

  bell.addEventListener("click", () => (isOpen ? close() : void open()));
  host.addEventListener("pointerdown", press, { signal });
  document.addEventListener("pointerdown", (event) => event === own || close(), { signal });
  host.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !isOpen) return;
    // One Escape closes one thing, and the page may have a dialog around us.
    event.preventDefault();
    event.stopPropagation();
    close();
  }, { signal });
  // By the browser itself, as Android's gesture to go back does.
  panel.addEventListener("close", () => panel.hidden || panel.matches(":modal, :popover-open") || close());
  narrow.addEventListener("change", showAnew, { signal });
  for (const type of ["resize", "scroll"]) addEventListener(type, place, { signal, passive: true, capture: true });
  return {
    get isOpen() {
      return isOpen;
    },
    open: () => void open(),
    close,
  };
}
