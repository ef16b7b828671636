/** One connection and one inbox for all that is inside. */

import type { Connection, Token } from "@tidings/client";
import { createContext, useContext, useState, useSyncExternalStore, type ReactElement, type ReactNode } from "react";
import { createSession, type Session } from "./session";
import { usePageEffect, useSteadyToken } from "./steady";

export interface TidingsProviderProps {
  /** Where Tidings answers, as in https://tidings.example. */
  url: string;
  /** A subscriber's token, or how to get one. Another function is no other person: give the provider another `key` then. */
  token: Token;
  /** One connection for all tabs of this browser. Default: true. */
  share?: boolean | undefined;
  children?: ReactNode;
}

const Context = createContext<Session | null>(null);

export function TidingsProvider({ url, token, share = true, children }: TidingsProviderProps): ReactElement {
  const [session] = useState(createSession);
  const steady = useSteadyToken(token);
  // Before the effects of what is inside, which may already want to do something.
  usePageEffect(() => session.open({ url, token: steady, share }), [session, url, steady, share]);
  return <Context.Provider value={session}>{children}</Context.Provider>;
}

export function useSession(): Session {
  const session = useContext(Context);
  if (!session) throw new Error("There is no <TidingsProvider> around this.");
  return session;
}

/** The provider's, while it is open; null where there is no provider. */
export function useConnection(): Connection | null {
  const session = useContext(Context);
  return useSyncExternalStore(session?.subscribe ?? never, session?.getConnection ?? none, none);
}

const never = (): (() => void) => () => undefined;
const none = (): null => null;
