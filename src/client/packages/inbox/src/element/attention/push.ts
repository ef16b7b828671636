/** Push in an inbox: kept up once the person wants it, and what the service worker asks and tells (packages/client/src/push-worker). */

import type { Connection } from "@tidings/client";
import { disablePush, enablePush, isPushOn, pushRegistration, type Here, type Shown, type ToPage, type ToWorker } from "@tidings/client/push";
import type { Item, Page } from "../../store/state";
import type { Surroundings } from "./attention";
import { isDesktopOn } from "./desktop";

/** So far back an item that was clicked is looked for. Older ones are opened with what was pushed. */
const RECENT = 100;

export interface Push {
  isOn(): boolean;
  turn(isOn: boolean): void;
  opened(): void;
}

/** Drawn anew, as in another language, it is the same person still. */
const renewed = new WeakSet<Connection>();

export function createPush(worker: string, { connection, inbox, open, signal }: Surroundings): Push {
  const isOn = (): boolean => isPushOn({ worker });

  /** In the background: the switch says what the person wants. Without push, notifications come while the page is open. */
  function turn(wanted: boolean): void {
    const turned: Promise<unknown> = wanted ? enablePush(connection, { worker }) : disablePush(connection, { worker });
    turned.catch((error: unknown) => console.warn("tidings: push", error));
  }

  function hear({ data, ports }: MessageEvent): void {
    const said = data as ToPage | null;
    if (said?.tidings === "here") ports[0]?.postMessage({ shows: shows() } satisfies Here);
    if (said?.tidings === "open") void openShown(said.shown);
  }

  /** Safari takes the permission away from whoever shows nothing for a push three times, and asks for no reasons. */
  function shows(): boolean {
    const isSafari = navigator.vendor.startsWith("Apple");
    return document.visibilityState === "visible" && connection.state.name === "live" && !isSafari;
  }

  const listed = (id: string): Item | undefined => inbox.getState().items.find((item) => item.id === id);

  function markRead(id: string): void {
    if (listed(id)) return inbox.markRead([id]);
    const init = { method: "POST", body: JSON.stringify({ ids: [id] }), keepalive: true };
    connection.fetch("/v1/inbox/read", init).catch(() => undefined);
  }

  async function openShown(shown: Shown): Promise<void> {
    markRead(shown.id);
    open(listed(shown.id) ?? (await recent(connection, shown.id)) ?? itemOf(shown));
  }

  /** This page was opened by a click on a notification: at its address, if it had one. */
  function wasClicked(shown: Shown): void {
    if (!shown.url) return void openShown(shown);
    markRead(shown.id);
    inbox.markClicked([shown.id]);
  }

  navigator.serviceWorker.addEventListener("message", hear, { signal });
  if (isOn()) void askClicked(worker, wasClicked);
  if (isDesktopOn() && !renewed.has(connection)) turn(true);
  renewed.add(connection);
  return {
    isOn,
    turn,
    opened: () => void closeShown(worker, (id) => Boolean(listed(id)?.read_at)),
  };
}

/** Close what was shown and is done with. */
export async function closeShown(worker: string, isDone: (id: string) => boolean): Promise<void> {
  const shown = (await (await pushRegistration(worker))?.getNotifications()) ?? [];
  for (const notification of shown) {
    const id = (notification.data as { tidings?: Shown } | null)?.tidings?.id;
    if (id !== undefined && isDone(id)) notification.close();
  }
}

async function askClicked(worker: string, wasClicked: (shown: Shown) => void): Promise<void> {
  const registration = await pushRegistration(worker);
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => {
    if (data) wasClicked(data as Shown);
    port1.close();
  };
  registration?.active?.postMessage({ tidings: "clicked" } satisfies ToWorker, [port2]);
}

async function recent(connection: Connection, id: string): Promise<Item | undefined> {
  try {
    const { items } = (await (await connection.fetch(`/v1/inbox?limit=${RECENT}`)).json()) as Page;
    return items.find((item) => item.id === id);
  } catch {
    return undefined;
  }
}

function itemOf({ id, title, body, url }: Shown): Item {
  // The first 48 bits of a UUIDv7 are its time in milliseconds (RFC 9562 §5.7).
  const created_at = new Date(parseInt(id.replace("-", "").slice(0, 12), 16)).toISOString();
  const notification = { id, title, body, url, data: null, category: null, priority: "normal", collapse_key: null, expires_at: null, created_at };
  return { ...notification, seen_at: null, read_at: null, archived_at: null };
}
