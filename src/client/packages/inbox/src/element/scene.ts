/** The element's inside for one language and one mode: bell, panel, toasts and what is said, put together. */

import type { Connection } from "@tidings/client";
import { wallClock } from "../clock";
import type { Speech } from "../messages/messages";
import type { Inbox } from "../store/inbox";
import { isHere, isUnread, type Item } from "../store/state";
import type { Action } from "./actions";
import { createAnnouncer } from "./announcer";
import type { Attention } from "./attention/attention";
import { createBell } from "./bell";
import { createDialog } from "./dialog";
import { h } from "./dom";
import { createPanel } from "./panel";
import { wholeStyle } from "./styles";
import { createToasts } from "./toast";
import { safeUrl } from "./urls";

/** Relative times move on, and a day begins. */
const TICK_MS = 30_000;

/** Attributes that ask for what is in attention/. */
const CALLS = ["sound", "desktop", "push"];

/** What `addEventListener` hears of a <tidings-inbox>. */
export interface TidingsInboxEvents {
  /** An item is opened. preventDefault: the page shows it itself. */
  "tidings-open": CustomEvent<{ item: Item }>;
  /** A button of an item was clicked. preventDefault: its address is not followed. */
  "tidings-action": CustomEvent<{ item: Item; action: Action }>;
  /** An item arrived. preventDefault: no toast, no sound, nothing on the desktop. */
  "tidings-arrival": CustomEvent<{ item: Item }>;
  "tidings-unread": CustomEvent<{ unread: number }>;
}

export interface Scene {
  readonly isOpen: boolean;
  /** focused: where the focus is to stay; otherwise it goes into the panel. */
  open(focused?: HTMLElement): void;
  close(): void;
  render(): void;
  end(): void;
}

let scenes = 0;

export function createScene(host: HTMLElement, root: ShadowRoot, inbox: Inbox, speech: Speech, connection: Connection): Scene {
  const id = `tidings-${++scenes}`;
  const isInline = host.getAttribute("mode") === "panel";
  const ending = new AbortController();
  const { signal } = ending;
  let unread = 0;
  let focused: HTMLElement | undefined;
  let frame = 0;
  let attention: Attention | undefined;

  const live = h("div", "live", { role: "status" });
  const announcer = createAnnouncer((text) => (live.textContent = text), (n) => speech.count(speech.messages.arrived, n), wallClock);
  const panel = createPanel(isInline ? "section" : "dialog", id, host, inbox, speech, wallClock, {
    onOpen: open,
    onAction: act,
    onClose: () => dialog?.close(),
    say: announcer.say,
  });
  const bell = createBell(speech, id);
  const dialog = isInline ? null : createDialog(host, panel.element as HTMLDialogElement, bell.element, wholeStyle, toggled, signal);
  const toasts = createToasts(speech, wallClock, open, () => bell.element.focus());
  const isShown = (): boolean => dialog?.isOpen ?? true;

  function render(): void {
    cancelAnimationFrame(frame);
    frame = 0;
    bell.render(inbox.getState().counts.unread, isShown());
    if (isShown()) panel.render();
  }

  /** Once a frame, however much happens in it. */
  function schedule(): void {
    const { counts } = inbox.getState();
    if (counts.unread !== unread) fire("tidings-unread", { unread: (unread = counts.unread) });
    frame ||= requestAnimationFrame(render);
  }

  function toggled(): void {
    if (isShown()) inbox.tidy();
    else inbox.settle();
    toasts.element.replaceChildren();
    // Beside a modal dialog nothing is read aloud.
    (isShown() ? panel.element : root).append(live);
    render();
    if (!isShown()) return;
    // A <dialog> takes the focus by itself.
    (focused ?? panel).focus();
    focused = undefined;
    attention?.opened();
  }

  function arrived(items: readonly Item[]): void {
    announcer.arrived(items.length);
    panel.arrived(items.length);
    const toShow = items.filter((item) => fire("tidings-arrival", { item }) && isHere(item) && isUnread(item));
    const newest = toShow.at(-1);
    if (!newest) return;
    if (host.hasAttribute("toast") && !isShown()) toasts.show(toShow);
    attention?.arrived(newest);
  }

  function clicked({ id }: Item): void {
    inbox.markRead([id]);
    inbox.markClicked([id]);
  }

  /** event: the click. A link is followed by the browser, if nobody objects; without one it is for us to go there, or to the panel. */
  function open(item: Item, event?: Event): void {
    clicked(item);
    const url = safeUrl(item.url, document.baseURI);
    if (!fire("tidings-open", { item })) event?.preventDefault();
    else if (!event) url === null ? dialog?.open() : location.assign(url);
  }

  function act(item: Item, action: Action, event: Event): void {
    clicked(item);
    if (!fire("tidings-action", { item, action })) event.preventDefault();
  }

  /** False if someone objects. */
  function fire<Name extends keyof TidingsInboxEvents>(name: Name, detail: TidingsInboxEvents[Name]["detail"]): boolean {
    return host.dispatchEvent(new CustomEvent(name, { detail, cancelable: true, bubbles: true, composed: true }));
  }

  function showInline(): void {
    panel.element.hidden = true;
    void wholeStyle().then(() => {
      panel.element.hidden = false;
      render();
    });
  }

  async function callForAttention(): Promise<void> {
    const { createAttention } = await import("./attention/attention");
    if (signal.aborted) return;
    attention = createAttention({ host, connection, inbox, open, signal });
    attention.choices.forEach(panel.offer);
  }

  // Without its file the inbox is a quiet one.
  if (CALLS.some((name) => host.hasAttribute(name))) callForAttention().catch(() => undefined);
  if (isInline) showInline();
  else for (const type of ["pointerenter", "focus"]) bell.element.addEventListener(type, wholeStyle);
  root.replaceChildren(...(isInline ? [] : [bell.element]), panel.element, toasts.element, live);
  const stops = [inbox.subscribe(schedule), inbox.onArrival(arrived), panel.stop, announcer.stop];
  const tick = setInterval(() => document.visibilityState === "visible" && render(), TICK_MS);
  document.addEventListener("visibilitychange", render, { signal });
  addEventListener("pagehide", inbox.settle, { signal });
  addEventListener("online", () => inbox.getState().status.name === "failed" && void inbox.load(), { signal });
  (globalThis.requestIdleCallback ?? setTimeout)(wholeStyle);
  schedule();
  return {
    get isOpen() {
      return dialog?.isOpen ?? false;
    },
    open(stays) {
      focused = stays;
      dialog?.open();
    },
    close: () => dialog?.close(),
    render,
    end() {
      clearInterval(tick);
      cancelAnimationFrame(frame);
      ending.abort();
      stops.forEach((stop) => stop());
      root.replaceChildren();
    },
  };
}
