/** What stays the same from render to render, and effects that run before the page is painted. */

import type { Token } from "@tidings/client";
import { useCallback, useEffect, useLayoutEffect, useRef } from "react";

/** React 18 complains of layout effects on a server, where there are none. */
export const usePageEffect = typeof document === "undefined" ? useEffect : useLayoutEffect;

/** The value of the last render, for what is called later. */
export function useLatest<Value>(value: Value): { readonly current: Value } {
  const latest = useRef<Value>(value);
  usePageEffect(() => {
    latest.current = value;
  });
  return latest;
}

/** A function written into JSX is another one on each render, and no reason for another connection. */
export function useSteadyToken<Given extends Token | undefined>(token: Given): Given | (() => Promise<string>) {
  const latest = useLatest<Token | undefined>(token);
  const ask = useCallback(async () => {
    const now = latest.current;
    return typeof now === "function" ? now() : (now ?? "");
  }, [latest]);
  return typeof token === "function" ? ask : token;
}
