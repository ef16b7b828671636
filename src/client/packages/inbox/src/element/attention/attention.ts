/**
 * What calls for attention beyond the page, where page and person want it: a sound, notifications of the system, push.
 *
 * A file of its own, loaded when the page has one of them. So nothing here may import what the inbox has loaded already, but types.
 */

import type { Connection } from "@tidings/client";
import { disablePush, isPushSupported } from "@tidings/client/push";
import type { Inbox } from "../../store/inbox";
import type { Item } from "../../store/state";
import type { Choice } from "../settings";
import { askDesktop, isDesktopOn, isLookedAt, permission, showOnDesktop, tellOfFocus } from "./desktop";
import { choose, prefers } from "./preferences";
import { closeShown, createPush } from "./push";
import { play } from "./sound";

/** open: as a click on the item would.   signal: ends it. */
export interface Surroundings {
  host: Element;
  connection: Connection;
  inbox: Inbox;
  open(item: Item): void;
  signal: AbortSignal;
}

export interface Attention {
  /** What the person may switch. */
  choices: Choice[];
  arrived(newest: Item): void;
  /** The person looks at the inbox. */
  opened(): void;
}

export function createAttention(surroundings: Surroundings): Attention {
  const { host, connection, open, signal } = surroundings;
  const worker = host.getAttribute("push");
  const push = worker !== null && isPushSupported() ? createPush(worker, surroundings) : null;
  const hasSound = host.hasAttribute("sound");
  const hasDesktop = host.hasAttribute("desktop") || worker !== null;

  const sound: Choice = {
    name: "sound",
    isPossible: () => true,
    isOn: () => !prefers("quiet"),
    turn: (isOn) => choose("quiet", !isOn),
  };
  const desktop: Choice = {
    name: "desktop",
    // What was denied only the browser's own settings can allow again.
    isPossible: () => (permission() ?? "denied") !== "denied",
    isOn: isDesktopOn,
    async turn(isOn) {
      const isGranted = isOn && (await askDesktop());
      choose("desktop", isGranted);
      push?.turn(isGranted);
    },
  };
  async function showUnlessLookedAt(item: Item): Promise<void> {
    if (!(await isLookedAt())) showOnDesktop(item, () => open(item));
  }

  if (hasDesktop) tellOfFocus(signal);
  return {
    choices: [...(hasSound ? [sound] : []), ...(hasDesktop ? [desktop] : [])],
    arrived(newest) {
      // One tab of those that share the connection sounds.
      if (hasSound && !prefers("quiet") && connection.isLeader) play();
      // What is pushed the worker shows.
      if (hasDesktop && isDesktopOn() && !push?.isOn()) void showUnlessLookedAt(newest);
    },
    opened: () => push?.opened(),
  };
}

/** Whoever comes next has not chosen it, and is shown nothing of it. Rejects if neither the browser nor Tidings could be told. */
export async function forget(connection: Connection | null, worker: string | null): Promise<void> {
  choose("desktop", false);
  if (worker === null) return;
  await disablePush(connection, { worker });
  await closeShown(worker, () => true);
}
