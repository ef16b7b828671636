/** The inbox of the provider around, for components that draw their own. */

import type { InboxState, Item } from "@tidings/inbox";
import { useEffect, useMemo, useSyncExternalStore } from "react";
import { useSession } from "./provider";
import { NOTHING, type InboxActions } from "./session";
import { useLatest } from "./steady";

/** What the inbox holds, and what one can do with it. The same object until something changes; the functions never do. */
export function useInbox(): InboxState & InboxActions {
  const { subscribe, getState, actions } = useSession();
  const state = useSyncExternalStore(subscribe, getState, onServer);
  return useMemo(() => ({ ...state, ...actions }), [state, actions]);
}

/** Renders anew only when the number is another. */
export function useUnreadCount(): number {
  const { subscribe, getState } = useSession();
  return useSyncExternalStore(
    subscribe,
    () => getState().counts.unread,
    () => 0,
  );
}

/** Told of each notification that arrives while this is on the page. */
export function useNotification(listener: (item: Item) => void): void {
  const { onArrival } = useSession();
  const latest = useLatest(listener);
  useEffect(() => onArrival((item) => latest.current(item)), [onArrival, latest]);
}

const onServer = (): InboxState => NOTHING;
