/** The service worker that takes the pushes: the page's own if it registered this file, else one that is there for nothing else. */

import { PushUnavailable } from "./unavailable";

/** Undefined where it is not registered.   worker: the address of its file. */
export async function pushRegistration(worker: string): Promise<ServiceWorkerRegistration | undefined> {
  const url = addressOf(worker);
  const found = await navigator.serviceWorker?.getRegistration(url);
  return found && workerOf(found)?.scriptURL === url ? found : undefined;
}

/**
 * Registered, and running. Rejects with PushUnavailable.
 *
 * Its scope is its own address, where no page is: a scope has one worker only, and with the usual one it would take the place of one that
 * the page has for itself. Pushes need no scope.
 */
export async function registered(worker: string): Promise<ServiceWorkerRegistration> {
  try {
    const url = addressOf(worker);
    const registration = (await pushRegistration(worker)) ?? (await navigator.serviceWorker.register(url, { scope: url }));
    // Not `ready`: that waits for a worker whose scope has this page.
    await activated(registration);
    return registration;
  } catch (error) {
    throw new PushUnavailable("worker", `The service worker ${worker} could not be registered: ${(error as Error).message}`, error);
  }
}

function activated(registration: ServiceWorkerRegistration): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = workerOf(registration);
    const look = (): void => {
      if (registration.active) resolve();
      else if (worker?.state === "redundant") reject(new Error("it could not be installed"));
    };
    worker?.addEventListener("statechange", look);
    look();
  });
}

/** The newest that is there for good comes first. */
const workerOf = ({ active, waiting, installing }: ServiceWorkerRegistration): ServiceWorker | null => active ?? waiting ?? installing;

const addressOf = (worker: string): string => new URL(worker, document.baseURI).href;
