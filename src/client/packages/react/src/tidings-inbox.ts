/** <TidingsInbox>: the web component with typed props. Its events and properties are set by hand, since React 18 knows neither. */

import type { Connection, Token } from "@tidings/client";
import "@tidings/inbox"; // defines the element
import type { Messages, Sort, TidingsInbox as TidingsInboxElement, TidingsInboxEvents } from "@tidings/inbox";
import { createElement, forwardRef, useImperativeHandle, useRef, type CSSProperties, type RefObject } from "react";
import { useConnection } from "./provider";
import { useLatest, usePageEffect, useSteadyToken } from "./steady";

export type TidingsInboxEvent<Name extends "open" | "action" | "arrival" | "unread"> = TidingsInboxEvents[`tidings-${Name}`];

export interface TidingsInboxProps {
  /** Where Tidings answers. Without url and token it lives on the connection of the provider around. */
  url?: string | undefined;
  /** Another function is no other person: give it another `key` then. */
  token?: Token | undefined;
  share?: boolean | undefined;
  /** The inbox in the page itself, without a bell. */
  mode?: "panel" | undefined;
  sort?: Sort | undefined;
  /** Offered as filters before the first item of them came. */
  categories?: readonly string[] | undefined;
  /** view: what one has looked at is read, not only seen. */
  readOn?: "view" | undefined;
  toast?: boolean | undefined;
  sound?: boolean | undefined;
  desktop?: boolean | undefined;
  /** The address of the page's file that loads push-worker.js. Call `forget()` of the element at sign-out. */
  push?: string | undefined;
  theme?: "light" | "dark" | undefined;
  lang?: string | undefined;
  messages?: Partial<Messages> | undefined;
  id?: string | undefined;
  className?: string | undefined;
  style?: CSSProperties | undefined;
  /** An item is opened. preventDefault: you show it yourself. */
  onOpen?: ((event: TidingsInboxEvent<"open">) => void) | undefined;
  /** A button of an item was clicked. preventDefault: its address is not followed. */
  onAction?: ((event: TidingsInboxEvent<"action">) => void) | undefined;
  /** An item arrived. preventDefault: no toast, no sound, nothing on the desktop. */
  onArrival?: ((event: TidingsInboxEvent<"arrival">) => void) | undefined;
  onUnread?: ((event: TidingsInboxEvent<"unread">) => void) | undefined;
}

export const TidingsInbox = forwardRef<TidingsInboxElement, TidingsInboxProps>(function TidingsInbox(props, ref) {
  const provided = useConnection();
  const element = useRef<TidingsInboxElement>(null);
  const { url, token, share = true, messages } = props;
  const isOnItsOwn = url !== undefined || token !== undefined;
  useProperties(element, useSteadyToken(token) ?? null, isOnItsOwn ? null : provided, messages);
  useEvents(element, props);
  useImperativeHandle(ref, () => element.current as TidingsInboxElement, []);
  return createElement("tidings-inbox", { ...attributesOf(props), url, "no-share": flag(!share), ref: element });
});

function attributesOf({ mode, sort, categories, readOn, toast, sound, desktop, push, theme, lang, id, className, style }: TidingsInboxProps) {
  const flags = { toast: flag(toast), sound: flag(sound), desktop: flag(desktop) };
  // React 18 passes `className` on to an element that is not of HTML as it is called here.
  return { mode, sort, categories: categories?.join(" "), "read-on": readOn, ...flags, push, theme, lang, id, class: className, style };
}

/** React 18 writes `false` as "false", which is there. */
const flag = (isOn = false): "" | undefined => (isOn ? "" : undefined);

type Ref = RefObject<TidingsInboxElement | null>;

function useProperties(ref: Ref, token: Token | null, connection: Connection | null, messages: Partial<Messages> = {}): void {
  // By its text: an object written into JSX is another one on each render.
  const words = JSON.stringify(messages);
  usePageEffect(() => {
    if (!ref.current) return;
    ref.current.token = token;
    ref.current.connection = connection;
  }, [ref, token, connection]);
  usePageEffect(() => {
    if (ref.current) ref.current.messages = JSON.parse(words) as Partial<Messages>;
  }, [ref, words]);
}

function useEvents(ref: Ref, props: TidingsInboxProps): void {
  const latest = useLatest(props);
  usePageEffect(() => {
    const ending = new AbortController();
    const listen = <Name extends keyof TidingsInboxEvents>(name: Name, hear: (event: TidingsInboxEvents[Name]) => void): void =>
      ref.current?.addEventListener(name, (event) => hear(event as TidingsInboxEvents[Name]), { signal: ending.signal });
    listen("tidings-open", (event) => latest.current.onOpen?.(event));
    listen("tidings-action", (event) => latest.current.onAction?.(event));
    listen("tidings-arrival", (event) => latest.current.onArrival?.(event));
    listen("tidings-unread", (event) => latest.current.onUnread?.(event));
    return () => ending.abort();
  }, [ref, latest]);
}
