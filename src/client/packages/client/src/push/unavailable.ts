/** Why there can be no push, in words. */

export type PushObstacle = "insecure" | "unsupported" | "denied" | "worker" | "unreachable";

export class PushUnavailable extends Error {
  override readonly name = "PushUnavailable";

  constructor(
    readonly reason: PushObstacle,
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

export function isPushSupported(): boolean {
  return obstacle() === null;
}

/** Throws PushUnavailable. */
export function mustBeSupported(): void {
  const found = obstacle();
  if (found) throw found;
}

function obstacle(): PushUnavailable | null {
  if (!globalThis.isSecureContext) return new PushUnavailable("insecure", "Push needs a page that came over https, or from localhost.");
  if (!navigator.serviceWorker) return new PushUnavailable("unsupported", "This browser has no service workers here, as in a private window.");
  if ("PushManager" in globalThis && "Notification" in globalThis) return null;
  return new PushUnavailable("unsupported", "This browser has no web push. On iPhone and iPad only pages on the home screen do.");
}
