/** Whether Tidings is reached, and takes the token. */

import type { Measured, Reach } from "../measured";
import type { Finding } from "../report";
import { type Verdict, fine, flaw, seconds } from "./verdict";

type Of<Kind extends Reach["kind"]> = Extract<Reach, { kind: Kind }>;

export function judgeReach({ url, origin, reach }: Measured): Verdict[] {
  switch (reach.kind) {
    case "answered":
      return [answers(reach.tookS), ...allowed(url, origin), fine("token", "The token is accepted", "Tidings takes it.")];
    case "refused":
      return reach.status === 401 || reach.status === 403 ? [tokenRefused(reach)] : [unable(reach)];
    case "foreign":
      return [foreign(reach)];
    case "silent":
      return [silent(url, origin, reach.afterS)];
    case "away":
      return [away(url, reach.words)];
    case "untrusted":
      return [untrusted(url, reach.words)];
    case "cors":
      return [hidden(url, origin)];
    case "preflight":
      return [withoutPreflight(origin)];
    case "mixed":
      return [mixed(url)];
    case "policy":
      return [forbidden(url)];
  }
}

const answers = (tookS: number): Finding => fine("reachable", "Tidings answers", `A plain request was answered after ${seconds(tookS)}.`);

function allowed(url: string, origin: string | null): Finding[] {
  if (origin === null || origin === originOf(url)) return [];
  return [fine("cors", "This page's origin is allowed", `Pages of ${origin} may read what ${originOf(url)} answers.`)];
}

const tokenRefused = ({ status, words }: Of<"refused">): Finding =>
  flaw(
    "token",
    "error",
    "The token is refused",
    `Tidings says: ${words} [${status}]`,
    "Mint a new one with POST /v1/subscribers/ID/tokens, with an API key of the project it is for; it lives for 15 minutes at most. " +
      "A proxy must pass the header Authorization on as it came.",
  );

const unable = ({ status, words }: Of<"refused">): Finding =>
  flaw(
    "reachable",
    "error",
    "Tidings answers that it cannot serve",
    `It says: ${words} [${status}]`,
    "See what /health/ready and the log of `tidings api` say.",
  );

function foreign({ status, contentType, location }: Of<"foreign">): Finding {
  const answer = location ? `sent on to ${location}` : `answered with ${status} and ${contentType || "no content type"}`;
  const found = `GET /v1/stream/poll was ${answer}.`;
  return flaw("reachable", "error", "Something else than Tidings answers", found, insteadOf(status, location));
}

function insteadOf(status: number, location: string | null): string {
  if (location) return "Use the address that it leads to: browsers do not take a token along to another origin.";
  if (status >= 500) return "A proxy says so itself: check that `tidings api` runs, and that the proxy has its right address.";
  return "Check the address. A proxy must pass everything under /v1/ on to Tidings, with its path unchanged.";
}

function silent(url: string, origin: string | null, afterS: number): Finding {
  const tabs = "Over HTTP/1.1 other tabs may hold all six connections that a browser opens to a host: close them and try again. ";
  return flaw(
    "reachable",
    "error",
    "Nobody answers in time",
    `${url} did not answer within ${seconds(afterS)}.`,
    `${origin === null ? "" : tabs}Check firewalls, and the load of \`tidings api\` and PostgreSQL (\`tidings status\`).`,
  );
}

const away = (url: string, words: string): Finding =>
  flaw(
    "reachable",
    "error",
    "Nobody answers",
    `${url} cannot be reached: ${words}.`,
    "Check the address, its name in DNS, its certificate, and that the proxy and `tidings api` run.",
  );

const untrusted = (url: string, words: string): Finding =>
  flaw(
    "certificate",
    "error",
    "The certificate is not trusted",
    `${url} cannot be trusted: ${words}.`,
    "Serve a valid certificate for this name, with its whole chain (fullchain.pem). One of a private authority must be known to each browser.",
  );

const hidden = (url: string, origin: string | null): Finding =>
  flaw(
    "cors",
    "error",
    "This page's origin is not allowed",
    `${originOf(url)} answers, but browsers hide its answers from pages of ${origin}.`,
    `Add ${origin} to TIDINGS_CORS_ORIGINS, with commas between origins, and restart \`tidings api\`. If it is there already, ` +
      "a proxy takes Access-Control-Allow-Origin away, sends it twice, or answers with an error page of its own.",
  );

const withoutPreflight = (origin: string | null): Finding =>
  flaw(
    "cors",
    "error",
    "Requests with a token are not let through",
    `Pages of ${origin} may read answers, but not when they send a token: the OPTIONS request that browsers send before is not answered by Tidings.`,
    "Let the proxy pass OPTIONS on to Tidings, and ask for no sign-in of its own: browsers send none with it.",
  );

const mixed = (url: string): Finding =>
  flaw(
    "reachable",
    "error",
    "The browser forbids it: mixed content",
    `This page came over https, and ${url} is plain http.`,
    "Let Tidings speak TLS: a proxy in front (docs/proxies), or TIDINGS_TLS_CERTIFICATE and TIDINGS_TLS_KEY.",
  );

const forbidden = (url: string): Finding =>
  flaw(
    "reachable",
    "error",
    "This page forbids it itself",
    `The Content-Security-Policy of this page does not let it ask ${originOf(url)}.`,
    `Add ${originOf(url)} to \`connect-src\` in the page's Content-Security-Policy.`,
  );

export function originOf(url: string): string {
  return new URL(url).origin;
}
