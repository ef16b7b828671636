/** The version of HTTP, and the certificate. */

import type { Certificate, Measured } from "../measured";
import type { Finding } from "../report";
import { type Verdict, fine, flaw, unchecked } from "./verdict";

const SIX = "six connections to a host at most, for all tabs together, and each stream takes one";
const HIDDEN = "It could not be seen: /health/live is not passed on, or without its Timing-Allow-Origin.";

export function judgeProtocol({ url, protocol }: Measured): Verdict {
  if (protocol === null) return unchecked("protocol", HIDDEN);
  if (/^h[23]/.test(protocol)) return fine("protocol", "Tabs share one connection", `Browsers speak ${protocol}.`);
  if (new URL(url).protocol === "https:") return oldHttp(protocol);
  return isOfThisMachine(url) ? withoutTlsHere(protocol) : withoutTls();
}

const oldHttp = (protocol: string): Finding =>
  flaw(
    "protocol",
    "warning",
    "HTTP/1.1, where HTTP/2 is possible",
    `Browsers speak ${protocol}: ${SIX}.`,
    "nginx: `http2 on;` (before 1.25.1 `listen 443 ssl http2;`). HAProxy: `alpn h2,http/1.1` after `bind … ssl`. `tidings api` itself speaks " +
      "HTTP/1.1 only. Without HTTP/2, let tabs share one stream, as @tidings/client does unless `share` is false.",
  );

const withoutTlsHere = (protocol: string): Finding =>
  fine("protocol", "No TLS, on this machine", `Browsers speak ${protocol} here: ${SIX}. That will do to try things out.`);

const withoutTls = (): Finding =>
  flaw(
    "protocol",
    "warning",
    "No TLS",
    `Tokens can be read on the way. Without TLS browsers speak no HTTP/2: ${SIX}.`,
    "Put a proxy in front that speaks TLS and HTTP/2 (docs/proxies).",
  );

function isOfThisMachine(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" || hostname.startsWith("127.");
}

/** In time: two weeks before, or with a quarter of its life left where that is short. */
export function judgeCertificate({ certificate }: Measured): Verdict[] {
  if (certificate === null) return [];
  const { daysLeft } = certificate;
  const found = `It holds for ${Math.floor(daysLeft)} more days.`;
  if (daysLeft >= soon(certificate)) return [fine("certificate", "The certificate is valid", found)];
  return [flaw("certificate", "warning", "The certificate ends soon", found, RENEW)];
}

const soon = ({ daysInAll }: Certificate): number => Math.min(14, daysInAll / 4);

const RENEW =
  "Renew it, and see why it was not renewed by itself (certbot, acme.sh, the load balancer). `tidings api` with TIDINGS_TLS_CERTIFICATE reads a " +
  "new one when it starts.";
