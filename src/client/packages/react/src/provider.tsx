/** One connection and one inbox for all that is inside. */

import type { Token } from "@tidings/client";
import { createContext, useContext, useMemo, useState, type ReactNode } from "react";
import { createSession, type Session, type Source } from "./session";
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

interface Provided {
  session: Session;
  source: Source;
}

const Context = createContext<Provided | null>(null);

export function TidingsProvider({ url, token, share = true, children }: TidingsProviderProps) {
  const [session] = useState(createSession);
  const steady = useSteadyToken(token);
  const source = useMemo(() => ({ url, token: steady, share }), [url, steady, share]);
  const provided = useMemo(() => ({ session, source }), [session, source]);
  // Before the effects of what is inside, which may already want to do something.
  usePageEffect(() => session.open(source), [session, source]);
  return <Context.Provider value={provided}>{children}</Context.Provider>;
}

/** The source of the provider around, if there is one. */
export const useSource = (): Source | undefined => useContext(Context)?.source;

export function useSession(): Session {
  const provided = useContext(Context);
  if (!provided) throw new Error("There is no <TidingsProvider> around this.");
  return provided.session;
}
