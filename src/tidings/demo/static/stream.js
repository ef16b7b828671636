// A stream of Server-Sent Events over fetch, because EventSource cannot send an Authorization header.
// It resumes after the last event it saw, backs off with jitter, and renews itself before its token expires.

const SILENCE_MS = 40_000; // the server says something each 15 s
const LONGEST_WAIT_MS = 15_000;
const RENEW_AHEAD_MS = 60_000;

/** Turns text into events as the HTML standard says (§9.2.6), wherever the chunks were cut. */
export class EventParser {
  constructor(onEvent, onComment = () => {}, onRetry = () => {}) {
    Object.assign(this, { onEvent, onComment, onRetry });
    this.rest = "";
    this.endedInReturn = false;
    this.begin();
  }

  begin() {
    this.type = "";
    this.data = [];
    this.id = null;
  }

  push(text) {
    if (text === "") return;
    // The \n of a \r\n that was cut in two ends no second line.
    const fresh = this.endedInReturn && text.startsWith("\n") ? text.slice(1) : text;
    this.endedInReturn = text.endsWith("\r");
    const lines = (this.rest + fresh).split(/\r\n|\n|\r/);
    this.rest = lines.pop();
    for (const line of lines) this.line(line);
  }

  line(line) {
    if (line === "") return this.dispatch();
    if (line.startsWith(":")) return this.onComment(line.slice(1).trim());
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    this.field(name, value);
  }

  field(name, value) {
    if (name === "data") this.data.push(value);
    else if (name === "event") this.type = value;
    else if (name === "id" && !value.includes("\0")) this.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.onRetry(Number(value));
  }

  dispatch() {
    const { type, data, id } = this;
    this.begin();
    if (data.length > 0 || id !== null) this.onEvent({ type: type || "message", data: data.join("\n"), id });
  }
}

/** How long to wait before the attempt-th try (from 0): doubled each time, spread over its upper half. */
export function backOff(attempt, firstMs, random = Math.random()) {
  return Math.min(LONGEST_WAIT_MS, firstMs * 2 ** attempt) * (0.5 + random / 2);
}

/**
 * One connection after the other, until stopped.
 *
 * credential({fresh}): a promise of {token, expiresAt}.   cursor: where to begin, or null.
 * onState({name, …}): connecting, live, waiting (untilMs, why) or stopped.   onEvent({type, data, id}), onComment(text).
 */
export class LiveStream {
  constructor({ url, credential, cursor = null, onState, onEvent, onComment = () => {} }) {
    Object.assign(this, { url, credential, cursor, onState, onEvent, onComment });
    this.running = null;
    this.retryMs = 1000;
    this.attempt = 0;
    this.wantsFreshToken = false;
  }

  start() {
    if (this.running) return;
    this.running = new AbortController();
    this.run(this.running);
  }

  /** Drop the connection, as a pulled cable would; `start` resumes after the last event seen. */
  stop() {
    this.running?.abort();
    this.running = null;
    this.onState({ name: "stopped" });
  }

  async run(running) {
    this.attempt = 0;
    while (!running.signal.aborted) {
      this.onState({ name: "connecting", attempt: this.attempt });
      const ended = await this.connect(running).catch((error) => ({ why: error.message }));
      if (running.signal.aborted) return;
      const wait = ended.waitMs ?? backOff(this.attempt, this.retryMs);
      this.attempt += 1;
      this.onState({ name: "waiting", untilMs: Date.now() + wait, why: ended.why });
      await pause(wait, running.signal);
    }
  }

  /** One connection, from request to end. Says why it ended, and how long to wait if the server named a time. */
  async connect(running) {
    const { token } = await this.credential({ fresh: this.wantsFreshToken });
    this.wantsFreshToken = false;
    const connection = new AbortController();
    const abort = () => connection.abort();
    running.signal.addEventListener("abort", abort);
    try {
      const response = await fetch(this.url, { headers: this.headers(token), signal: connection.signal, cache: "no-store" });
      if (!response.ok) return await this.refused(response);
      return await this.read(response.body, connection);
    } finally {
      running.signal.removeEventListener("abort", abort);
      clearTimeout(this.renewal);
      this.open = null;
      connection.abort();
    }
  }

  headers(token) {
    const headers = { Authorization: `Bearer ${token}`, Accept: "text/event-stream" };
    if (this.cursor !== null) headers["Last-Event-ID"] = this.cursor;
    return headers;
  }

  async refused(response) {
    if (response.status === 401) this.wantsFreshToken = true;
    // A cursor that the server does not know, after a restore perhaps: begin anew, and say so as the server would.
    if ((response.status === 400 || response.status === 410) && this.cursor !== null) {
      this.cursor = null;
      this.onEvent({ type: "reset", data: '{"reason":"cursor refused"}', id: null });
    }
    const problem = await response.json().catch(() => ({}));
    const seconds = Number(response.headers.get("Retry-After"));
    return { why: problem.detail ?? `HTTP ${response.status}`, waitMs: seconds > 0 ? seconds * 1000 : undefined };
  }

  async read(body, connection) {
    const parser = new EventParser((event) => this.received(event), this.onComment, (ms) => (this.retryMs = ms));
    const decoder = new TextDecoder();
    const reader = body.getReader();
    for (;;) {
      const silence = setTimeout(() => connection.abort(new Error("nothing was heard for 40 s")), SILENCE_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(silence));
      if (done) return { why: "the server ended the stream" };
      parser.push(decoder.decode(value, { stream: true }));
    }
  }

  received(event) {
    if (event.type === "ready") this.ready(JSON.parse(event.data));
    // A page that cannot make sense of an event would not the next time either: the cursor moves on regardless.
    if (event.id) this.cursor = event.id;
    this.onEvent(event);
  }

  ready({ stream, cursor, expires_at }) {
    this.attempt = 0;
    this.cursor ??= cursor ?? null;
    this.open = stream;
    this.renewBefore(stream, Date.parse(expires_at));
    this.onState({ name: "live", since: Date.now() });
  }

  renewBefore(stream, expiresMs) {
    const left = expiresMs - Date.now();
    if (this.open !== stream || !Number.isFinite(left)) return;
    this.renewal = setTimeout(() => this.renew(stream, expiresMs), Math.min(2 ** 31 - 1, Math.max(1000, left - RENEW_AHEAD_MS, left / 2)));
  }

  /** Hand the stream a new token. If that fails until the old one expires, the stream ends and the next one opens with a new token. */
  async renew(stream, expiresMs) {
    this.wantsFreshToken = true;
    try {
      const { token, expiresAt } = await this.credential({ fresh: true });
      const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
      const response = await fetch("/v1/stream/renew", { method: "POST", headers, body: JSON.stringify({ stream }) });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      this.wantsFreshToken = false;
      this.renewBefore(stream, expiresAt);
    } catch {
      if (Date.now() < expiresMs) this.renewBefore(stream, expiresMs);
    }
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const wake = () => (clearTimeout(timer), resolve());
    signal.addEventListener("abort", wake, { once: true });
    window.addEventListener("online", wake, { once: true });
  });
}
