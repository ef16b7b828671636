/** Whether a stream comes through at once, and as Tidings sent it. */

import type { Measured, Opening } from "../measured";
import type { Finding } from "../report";
import { type Verdict, fine, flaw, seconds, unchecked } from "./verdict";

export const OPENS_WITHIN_S = 5;

export const NO_BUFFER =
  "nginx: `proxy_buffering off;` and `gzip off;` for /v1/stream, and no `proxy_ignore_headers X-Accel-Buffering`. Others: no buffering of " +
  "responses, and no compression, for text/event-stream. Until then clients fall back to long polls.";

export function judgeOpening({ opening }: Measured): Verdict[] {
  if (opening === null) return [];
  if (isRefused(opening)) return [refused(opening)];
  const flow = judgeFlow(opening);
  return opening.headS === null ? [flow, ...withoutHead()] : [flow, judgeCompression(opening), judgeCaching(opening)];
}

/** No answer at all looks like a buffer, unless it was an answer that is no stream. */
function isRefused({ headS, status, contentType }: Opening): boolean {
  return headS !== null && (status !== 200 || !contentType.startsWith("text/event-stream"));
}

function refused({ status, words, contentType }: Opening): Finding {
  const found = words || (status === 0 ? "The connection broke before an answer." : `It was answered with ${contentType || "no content type"}.`);
  return flaw("opening", "error", "The stream is refused", `GET /v1/stream: ${found} [${status}]`, instead(status));
}

function instead(status: number): string {
  if (status === 429) return "Close other streams of this person, let tabs share one, or raise TIDINGS_STREAMS_PER_SUBSCRIBER.";
  if (status === 503) return "Try again: a process that stops sends streams to another one. Otherwise see /health/ready.";
  return "Let the proxy pass /v1/stream on to Tidings just as /v1/stream/poll.";
}

function judgeFlow({ headS, readyS, plainS }: Opening): Finding {
  if (readyS !== null && headS !== null) {
    return fine("buffering", "Streams come through at once", `Headers after ${seconds(headS)}, the first event after ${seconds(readyS)}.`);
  }
  if (plainS === null) return slow();
  return flaw("buffering", "error", "A proxy holds streams back", `${missing(headS)}, while a plain request was answered after ${seconds(plainS)}.`, NO_BUFFER);
}

function missing(headS: number | null): string {
  const limit = seconds(OPENS_WITHIN_S);
  return headS === null
    ? `Not even the headers of GET /v1/stream came within ${limit}`
    : `The headers of GET /v1/stream came after ${seconds(headS)}, and its first event not within ${limit}`;
}

const slow = (): Finding =>
  flaw(
    "buffering",
    "error",
    "Everything is slow",
    `Neither a stream nor a plain request was answered within ${seconds(OPENS_WITHIN_S)}.`,
    "See the load of `tidings api` and PostgreSQL (`tidings status`), then try again.",
  );

function withoutHead(): Verdict[] {
  const why = "No headers of a stream came.";
  return [unchecked("compression", why), unchecked("caching", why)];
}

function judgeCompression({ contentEncoding }: Opening): Finding {
  if (contentEncoding === null || contentEncoding === "identity") return fine("compression", "Nothing compresses streams", "There is no Content-Encoding.");
  return flaw(
    "compression",
    "warning",
    "Something compresses streams",
    `The stream came with Content-Encoding: ${contentEncoding}. Tidings sends none, and forbids it (no-transform): a compressor may hold events back.`,
    "nginx: `gzip off;` for /v1/stream, or text/event-stream out of `gzip_types`. Others: no compression of text/event-stream.",
  );
}

function judgeCaching({ cacheControl, age }: Opening): Finding {
  if (age !== null) return cached(age);
  const sent = (cacheControl ?? "").toLowerCase().split(",").map((part) => part.trim());
  if (sent.includes("no-store") && sent.includes("no-transform")) return fine("caching", "Nothing caches streams", "Cache-Control is as Tidings sent it.");
  return flaw(
    "caching",
    "warning",
    "Something changes Cache-Control",
    `It came as ${cacheControl === null ? "nothing" : `\`${cacheControl}\``}, and Tidings sent \`no-store, no-transform\`.`,
    "Let the proxy or CDN leave Cache-Control as it is for /v1/ (nginx: neither `expires` nor `proxy_hide_header` there).",
  );
}

const cached = (age: string): Finding =>
  flaw(
    "caching",
    "error",
    "A cache answers in Tidings' place",
    `The stream came with Age: ${age}, which a cache adds.`,
    "Take /v1/ out of what the proxy or CDN caches.",
  );
