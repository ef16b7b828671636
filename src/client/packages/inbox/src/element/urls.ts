/** Which addresses of a notification may be followed. */

const SAFE = new Set(["http:", "https:"]);

/** The absolute address, or null for what must not be followed, as javascript: and data: must not. Parsed as the browser would. */
export function safeUrl(url: unknown, base: string): string | null {
  if (typeof url !== "string" || url === "") return null;
  try {
    const { protocol, href } = new URL(url, base);
    return SAFE.has(protocol) ? href : null;
  } catch {
    return null;
  }
}
