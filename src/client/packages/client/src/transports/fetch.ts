/** The stream over fetch, which unlike EventSource can sign in with a header and hears the heartbeats. */

import { parser } from "../parse";
import { type Transport, Unsupported, withCursor } from "./transport";

export const overFetch: Transport = async (attempt) => {
  const { caller, signal } = attempt;
  const response = await caller.fetch(withCursor("/v1/stream", attempt.cursor), { headers: { Accept: "text/event-stream" }, signal });
  if (!response.body?.getReader) throw new Unsupported("fetch does not stream here");
  const read = parser(
    (message) => attempt.message(message),
    (ms) => attempt.retry(ms),
  );
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    attempt.heard();
    read(decoder.decode(value, { stream: true }));
  }
};
