// What the page asks of the server: tokens and sending through the demo's own routes. Inboxes and streams are the inbox component's.

/** A refusal of the server (RFC 9457), in its own words. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.status = status;
  }
}

async function call(path, body) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  const response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  const answer = response.status === 204 ? null : await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, answer);
  return answer;
}

export const send = (to, title, body, nonce) => call("/demo/send", { to, title, body, nonce });
export const outage = () => call("/demo/outage");
export const retract = (id) => call("/demo/retract", { id });

/** The state of the server: {status, checks}. A server that does not answer is `unreachable`. */
export async function health() {
  try {
    const response = await fetch("/health/ready", { cache: "no-store", signal: AbortSignal.timeout(4000) });
    return await response.json();
  } catch {
    return { status: "unreachable", checks: {} };
  }
}

/** One person. The connection asks for a token when it needs one, and keeps it as long as it lives. */
export class Account {
  constructor(person) {
    this.person = person;
  }

  token = async () => (await call("/demo/token", { person: this.person })).token;
}
