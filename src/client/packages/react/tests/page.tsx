/** A page that React draws on. */

import { StrictMode, act, type ReactNode } from "react";
import { createRoot, hydrateRoot, type Root } from "react-dom/client";
import { vi } from "vitest";

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

export interface Drawn {
  element: HTMLElement;
  again(node: ReactNode): Promise<void>;
  end(): Promise<void>;
}

/** Under StrictMode, which does every effect twice. html: what a server has drawn before. */
export async function draw(node: ReactNode, html?: string): Promise<Drawn> {
  const element = document.createElement("div");
  document.body.append(element);
  const strict = (inside: ReactNode): ReactNode => <StrictMode>{inside}</StrictMode>;
  if (html !== undefined) element.innerHTML = html;
  const root = await act(async (): Promise<Root> => {
    if (html !== undefined) return hydrateRoot(element, strict(node));
    const fresh = createRoot(element);
    fresh.render(strict(node));
    return fresh;
  });
  return {
    element,
    again: (next) => act(async () => root.render(strict(next))),
    async end() {
      await act(async () => root.unmount());
      element.remove();
    },
  };
}

/** A busy machine takes its time. */
const UNHURRIED = { timeout: 4000 };

/** Until what was promised has come, and React has drawn it. */
export async function soon(check: () => void): Promise<void> {
  await vi.waitFor(async () => {
    await act(async () => new Promise((resolve) => setTimeout(resolve, 5)));
    check();
  }, UNHURRIED);
}
