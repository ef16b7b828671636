// @vitest-environment happy-dom
import { Refused, type Connection } from "@tidings/client";
import { disablePush, enablePush, isPushOn, isPushSupported, PushUnavailable } from "@tidings/client/push";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

const WORKER = { worker: "/tidings-push.js" };
const URL_OF_WORKER = "https://app.example/tidings-push.js";
const KEY = "BP-_AQID";
const OTHER_KEY = Uint8Array.of(4, 9, 9, 9);

let browser: FakeBrowser;
let api: FakeApi;

beforeEach(() => {
  document.head.innerHTML = '<base href="https://app.example/somewhere/">';
  browser = createBrowser();
  api = createApi();
});

afterEach(() => {
  localStorage.clear();
  vi.unstubAllGlobals();
});

describe("turned on", () => {
  test("the worker is registered in a scope of its own, and what the browser subscribed is stored", async () => {
    const subscription = await enablePush(api.connection, WORKER);
    expect(browser.registered).toEqual([[URL_OF_WORKER, { scope: URL_OF_WORKER }]]);
    expect(browser.subscribed).toEqual([{ userVisibleOnly: true, applicationServerKey: Uint8Array.of(4, 255, 191, 1, 2, 3) }]);
    expect(api.requests).toEqual(["GET /v1/push/key", `PUT /v1/push/subscriptions ${JSON.stringify(subscription)}`]);
    expect(isPushOn(WORKER)).toBe(true);
  });

  test("again, everything is as it was, and stored again, as for another person", async () => {
    await enablePush(api.connection, WORKER);
    await enablePush(api.connection, WORKER);
    expect(browser.registered).toHaveLength(1);
    expect(browser.subscribed).toHaveLength(1);
    expect(api.requests.filter((request) => request.startsWith("PUT"))).toHaveLength(2);
  });

  test("a subscription for another key is renewed", async () => {
    browser.subscribe(OTHER_KEY);
    await enablePush(api.connection, WORKER);
    expect(browser.unsubscribed).toBe(1);
    expect(browser.subscribed).toHaveLength(1);
  });

  test("a worker that the page registered itself is used as it is", async () => {
    browser.register(URL_OF_WORKER);
    await enablePush(api.connection, WORKER);
    expect(browser.registered).toEqual([]);
  });

  test("another worker of the page stays", async () => {
    browser.register("https://app.example/their-own.js");
    await enablePush(api.connection, WORKER);
    expect(browser.registered).toEqual([[URL_OF_WORKER, { scope: URL_OF_WORKER }]]);
  });

  test("one that was asked before is not asked again", async () => {
    await enablePush(api.connection, WORKER);
    expect(browser.asked).toBe(0);
    browser.permission = "default";
    await enablePush(api.connection, WORKER);
    expect(browser.asked).toBe(1);
  });
});

describe("it is said why there is none", () => {
  async function obstacle(): Promise<unknown> {
    const error: unknown = await enablePush(api.connection, WORKER).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(PushUnavailable);
    expect(isPushOn(WORKER)).toBe(false);
    return (error as PushUnavailable).reason;
  }

  test("an address that is not secure", async () => {
    vi.stubGlobal("isSecureContext", false);
    expect(isPushSupported()).toBe(false);
    expect(await obstacle()).toBe("insecure");
  });

  test("no service workers", async () => {
    vi.stubGlobal("navigator", {});
    expect(isPushSupported()).toBe(false);
    expect(await obstacle()).toBe("unsupported");
  });

  test("no push, as in Safari on a phone", async () => {
    vi.unstubAllGlobals();
    browser = createBrowser(false);
    expect(await obstacle()).toBe("unsupported");
  });

  test("denied before, or now", async () => {
    browser.permission = "denied";
    expect(await obstacle()).toBe("denied");
    expect(browser.asked).toBe(0);
    browser.permission = "granted";
    browser.refusal = new DOMException("Registration failed - permission denied", "NotAllowedError");
    expect(await obstacle()).toBe("denied");
  });

  test("a file that is not there", async () => {
    browser.hasFile = false;
    expect(await obstacle()).toBe("worker");
  });

  test("a worker that fails while it is installed", async () => {
    browser.isInstallable = false;
    expect(await obstacle()).toBe("worker");
  });

  test("a push service that does not answer", async () => {
    browser.refusal = new DOMException("Registration failed - push service error", "AbortError");
    expect(await obstacle()).toBe("unreachable");
  });

  test("what Tidings refuses is said in its words", async () => {
    api.failing = new Refused(404, "There is no such thing.");
    await expect(enablePush(api.connection, WORKER)).rejects.toBe(api.failing);
  });
});

describe("turned off", () => {
  beforeEach(() => enablePush(api.connection, WORKER));

  test("the browser and Tidings are told", async () => {
    await disablePush(api.connection, WORKER);
    expect(browser.unsubscribed).toBe(1);
    expect(api.requests.at(-1)).toBe("DELETE /v1/push/subscriptions/psh_1");
    expect(isPushOn(WORKER)).toBe(false);
  });

  test("it is enough that the browser has it off", async () => {
    api.failing = new Error("Failed to fetch");
    await disablePush(api.connection, WORKER);
    expect(browser.unsubscribed).toBe(1);
    expect(isPushOn(WORKER)).toBe(false);
  });

  test("it is enough that Tidings has it off", async () => {
    browser.isStubborn = true;
    await disablePush(api.connection, WORKER);
    expect(api.requests.at(-1)).toBe("DELETE /v1/push/subscriptions/psh_1");
    expect(isPushOn(WORKER)).toBe(false);
  });

  test.each([["a Tidings that does not answer"], ["no connection"]])("with %s and a browser that fails it is still on", async (what) => {
    browser.isStubborn = true;
    api.failing = new Error("Failed to fetch");
    await expect(disablePush(what === "no connection" ? null : api.connection, WORKER)).rejects.toThrow("The browser does not");
    expect(isPushOn(WORKER)).toBe(true);
  });

  test("without a connection the browser has it off", async () => {
    await disablePush(null, WORKER);
    expect(browser.unsubscribed).toBe(1);
  });

  test("what is said last counts, also while the one before is under way", async () => {
    const on = enablePush(api.connection, WORKER);
    await disablePush(api.connection, WORKER);
    await on;
    expect(isPushOn(WORKER)).toBe(false);
    expect(await browser.registration?.pushManager.getSubscription()).toBe(null);
  });
});

test("where it was never on, turning it off does nothing", async () => {
  await disablePush(api.connection, WORKER);
  expect(api.requests).toEqual([]);
});

interface FakeApi {
  connection: Connection;
  requests: string[];
  failing: Error | null;
}

function createApi(): FakeApi {
  const fake: FakeApi = {
    requests: [],
    failing: null,
    connection: {
      async fetch(path: string, init?: RequestInit) {
        fake.requests.push(`${init?.method ?? "GET"} ${path}${init?.body ? ` ${String(init.body)}` : ""}`);
        if (fake.failing) throw fake.failing;
        return path.endsWith("/key") ? Response.json({ key: KEY }) : Response.json({ id: "psh_1" });
      },
    } as Connection,
  };
  return fake;
}

interface FakeBrowser {
  permission: NotificationPermission;
  asked: number;
  registered: unknown[];
  registration: { pushManager: { getSubscription(): Promise<unknown> } } | null;
  subscribed: unknown[];
  unsubscribed: number;
  hasFile: boolean;
  isInstallable: boolean;
  /** It does not unsubscribe. */
  isStubborn: boolean;
  /** What subscribing rejects with. */
  refusal: DOMException | null;
  register(url: string): void;
  subscribe(key: Uint8Array<ArrayBuffer>): void;
}

function createBrowser(hasPush = true): FakeBrowser {
  let subscription: object | null = null;

  const pushManager = {
    getSubscription: async () => subscription,
    async subscribe(options: { applicationServerKey: Uint8Array<ArrayBuffer> }) {
      if (fake.refusal) throw fake.refusal;
      fake.subscribed.push(options);
      fake.subscribe(options.applicationServerKey);
      return subscription;
    },
  };

  const fake: FakeBrowser = {
    permission: "granted",
    asked: 0,
    registered: [],
    registration: null,
    subscribed: [],
    unsubscribed: 0,
    hasFile: true,
    isInstallable: true,
    isStubborn: false,
    refusal: null,
    register(url) {
      const worker = new (class extends EventTarget {
        readonly scriptURL = url;
        state = "installing";
      })();
      const registration = { installing: worker as unknown, waiting: null, active: null as unknown, pushManager };
      fake.registration = registration;
      setTimeout(() => {
        worker.state = fake.isInstallable ? "activating" : "redundant";
        if (fake.isInstallable) [registration.active, registration.installing] = [worker, null];
        worker.dispatchEvent(new Event("statechange"));
      });
    },
    subscribe(key) {
      subscription = {
        endpoint: "https://push.example/1",
        options: { applicationServerKey: key.buffer },
        unsubscribe: async () => {
          if (fake.isStubborn) throw new Error("The browser does not.");
          fake.unsubscribed += 1;
          subscription = null;
        },
      };
    },
  };

  let turn: Promise<unknown> = Promise.resolve();
  const locks = { request: (_: string, work: () => Promise<unknown>) => (turn = turn.then(work, work)) };
  const serviceWorker = {
    getRegistration: async () => fake.registration ?? undefined,
    async register(...asked: [string, unknown]) {
      if (!fake.hasFile) throw new TypeError("A bad HTTP response code (404) was received when fetching the script.");
      fake.registered.push(asked);
      fake.register(asked[0]);
      return fake.registration;
    },
  };
  vi.stubGlobal("isSecureContext", true);
  vi.stubGlobal("navigator", { serviceWorker, locks });
  vi.stubGlobal("PushManager", class {});
  vi.stubGlobal("Notification", {
    get permission() {
      return fake.permission;
    },
    async requestPermission() {
      fake.asked += 1;
      return (fake.permission = "granted");
    },
  });
  if (!hasPush) Reflect.deleteProperty(globalThis, "PushManager");
  return fake;
}
