// @vitest-environment node
import { TidingsInbox, TidingsProvider, useInbox, useUnreadCount } from "@tidings/react";
import type { ReactNode } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, expect, test, vi } from "vitest";

afterEach(() => vi.restoreAllMocks());

function Page(): ReactNode {
  return (
    <TidingsProvider url="https://tidings.example" token={() => Promise.reject(new Error("nobody is to ask"))}>
      <Inside />
      <TidingsInbox toast className="mine" />
    </TidingsProvider>
  );
}

function Inside(): ReactNode {
  return `${useInbox().items.length} of ${useUnreadCount()} `;
}

test("on a server, without a window, it is an empty inbox and a tag", () => {
  const complaints = vi.spyOn(console, "error");
  expect("window" in globalThis).toBe(false);
  expect(renderToString(<Page />)).toBe('0 of 0 <tidings-inbox toast="" class="mine"></tidings-inbox>');
  expect(complaints).not.toHaveBeenCalled();
});
