// What the page asks of the server: tokens and sending through the demo's own routes, inboxes through the public API.

/** A refusal of the server (RFC 9457), in its own words. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.status = status;
  }
}

async function call(path, { token, body } = {}) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  const answer = response.status === 204 ? null : await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, answer);
  return answer;
}

export const send = (to, title, body, nonce) => call("/demo/send", { body: { to, title, body, nonce } });
export const outage = () => call("/demo/outage");
export const retract = (id) => call("/demo/retract", { body: { id } });

/** The state of the server: {status, checks}. A server that does not answer is `unreachable`. */
export async function health() {
  try {
    const response = await fetch("/health/ready", { cache: "no-store", signal: AbortSignal.timeout(4000) });
    return await response.json();
  } catch {
    return { status: "unreachable", checks: {} };
  }
}

/** One person: their token, kept until shortly before it expires, and their inbox. */
export class Account {
  constructor(person) {
    this.person = person;
    this.pending = null;
    this.refreshAt = 0;
  }

  /** A promise of {token, expiresAt}; the devices of a person share it. */
  credential({ fresh = false } = {}) {
    if (!this.pending || Date.now() > this.refreshAt || fresh) this.pending = this.fetchToken();
    return this.pending;
  }

  async fetchToken() {
    this.refreshAt = Infinity; // while this runs, devices that ask wait for it
    try {
      const { token, expires_at } = await call("/demo/token", { body: { person: this.person } });
      const expiresAt = Date.parse(expires_at);
      this.refreshAt = expiresAt - 90_000;
      return { token, expiresAt };
    } catch (error) {
      this.pending = null;
      throw error;
    }
  }

  async ask(path, body) {
    try {
      return await call(path, { token: (await this.credential()).token, body });
    } catch (error) {
      if (error.status !== 401) throw error;
      return call(path, { token: (await this.credential({ fresh: true })).token, body });
    }
  }

  inbox = () => this.ask("/v1/inbox?limit=50");
  counts = () => this.ask("/v1/inbox/counts");
  /** action: read, unread, archive.   which: {ids} or {up_to}. */
  mark = (action, which) => this.ask(`/v1/inbox/${action}`, which);
}
