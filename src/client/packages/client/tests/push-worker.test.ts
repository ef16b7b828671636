import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { addressOf } from "../src/push-worker/clicks";
import { listen } from "../src/push-worker/listen";
import type { Shown, ToPage } from "../src/push-worker/messages";
import type { Window, WorkerScope } from "../src/push-worker/scope";

const ID = "01900001-0000-7000-8000-000000000000";
const PUSHED = { id: ID, title: "Deploy finished", body: "In 42 s", url: "/deploys/1" };

let worker: FakeWorker;

beforeEach(() => {
  // Channels between worker and window stay real.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  worker = createWorker();
});

afterEach(() => vi.useRealTimers());

test("what is pushed is shown, with its id as the tag", async () => {
  await worker.push(PUSHED);
  expect(worker.shown).toEqual([["Deploy finished", { tag: ID, body: "In 42 s", data: { tidings: PUSHED } }]]);
});

test("what came along for how to show it is used", async () => {
  await worker.push({ ...PUSHED, body: null, icon: "/icon.png", lang: "ar", dir: "rtl" });
  expect(worker.shown[0]?.[1]).toMatchObject({ body: "", icon: "/icon.png", lang: "ar", dir: "rtl" });
});

test.each([
  ["text", "not JSON"],
  ["null", "null"],
  ["another's", '{"title": "News", "body": "of somebody else"}'],
  ["an id of another kind", '{"id": "42", "title": "News"}'],
  ["no title", `{"id": "${ID}"}`],
  ["nothing", undefined],
])("%s is left to whoever else listens", async (_, text) => {
  const event = await worker.dispatch("push", { data: text === undefined ? null : { json: () => JSON.parse(text) as unknown } });
  expect(worker.shown).toEqual([]);
  expect(event.stopImmediatePropagation).not.toHaveBeenCalled();
  expect(event.waitUntil).not.toHaveBeenCalled();
});

test("ours goes to no other listener, which could not read it", async () => {
  expect((await worker.push(PUSHED)).stopImmediatePropagation).toHaveBeenCalled();
});

test("a visible window with an inbox that shows it itself is enough", async () => {
  worker.open({ answers: { shows: true } });
  await worker.push(PUSHED);
  expect(worker.shown).toEqual([]);
});

test.each([
  ["is hidden", { visibilityState: "hidden", answers: { shows: true } }],
  ["has an inbox that is not live", { answers: { shows: false } }],
  ["has no inbox, and never answers", {}],
])("it is shown when the window %s", async (_, window) => {
  worker.open(window);
  await worker.push(PUSHED);
  expect(worker.shown).toHaveLength(1);
});

test("a click closes it, and opens it in the inbox of the window that was looked at last", async () => {
  worker.open({});
  const inbox = worker.open({ visibilityState: "hidden", answers: { shows: false } });
  const other = worker.open({ answers: { shows: false } });
  const close = vi.fn();
  await worker.dispatch("notificationclick", { notification: { data: { tidings: PUSHED }, close } });
  expect(close).toHaveBeenCalled();
  expect(inbox.focus).toHaveBeenCalled();
  expect(inbox.told).toContainEqual({ tidings: "open", shown: PUSHED });
  expect(other.told).not.toContainEqual({ tidings: "open", shown: PUSHED });
  expect(worker.opened).toEqual([]);
});

test("it is opened in the inbox also when the browser does not let it focus", async () => {
  const inbox = worker.open({ answers: { shows: false } });
  inbox.focus.mockRejectedValue(new Error("not allowed"));
  await worker.click(PUSHED);
  expect(inbox.told).toContainEqual({ tidings: "open", shown: PUSHED });
});

test("without an inbox its address is opened, and the inbox there is told once what was clicked", async () => {
  worker.open({});
  await worker.click(PUSHED);
  expect(worker.opened).toEqual(["https://app.example/deploys/1"]);
  expect(await worker.askClicked()).toEqual(PUSHED);
  expect(await worker.askClicked()).toBe(null);
});

test("a click on a notification that somebody else shows is theirs", async () => {
  const close = vi.fn();
  const event = await worker.dispatch("notificationclick", { notification: { data: { url: "/theirs" }, close } });
  expect(close).not.toHaveBeenCalled();
  expect(event.stopImmediatePropagation).not.toHaveBeenCalled();
  expect(worker.opened).toEqual([]);
});

test.each(["a word", null, { type: "SKIP_WAITING" }])("%j, said by the page to its own worker, is not answered", async (data) => {
  const postMessage = vi.fn();
  await worker.dispatch("message", { data, ports: [{ postMessage }] });
  expect(postMessage).not.toHaveBeenCalled();
});

test.each([
  ["/there", "https://app.example/", "https://app.example/there"],
  ["there", "https://app.example/inbox/", "https://app.example/inbox/there"],
  ["https://other.example/x", "https://app.example/", "https://other.example/x"],
  ["javascript:alert(1)", "https://app.example/", "https://app.example/"],
  ["data:text/html,x", "https://app.example/", "https://app.example/"],
  ["http://", "https://app.example/", "https://app.example/"],
  [null, "https://app.example/inbox/", "https://app.example/inbox/"],
  // The scope of a worker that is there for pushes only is its own address, and nothing to look at.
  [null, "https://app.example/tidings-push.js", "https://app.example/"],
])("%j within %s leads to %s", (url, scope, address) => expect(addressOf(url, scope)).toBe(address));

interface FakeWindow extends Window {
  told: unknown[];
  focus: ReturnType<typeof vi.fn<() => Promise<unknown>>>;
}

interface FakeEvent {
  stopImmediatePropagation: ReturnType<typeof vi.fn>;
  waitUntil: ReturnType<typeof vi.fn<(work: Promise<unknown>) => void>>;
}

interface FakeWorker {
  shown: [string, NotificationOptions][];
  opened: string[];
  open(window: { visibilityState?: string; answers?: { shows: boolean } }): FakeWindow;
  dispatch(type: string, event: object): Promise<FakeEvent>;
  push(shown: object): Promise<FakeEvent>;
  click(shown: Shown): Promise<FakeEvent>;
  askClicked(): Promise<unknown>;
}

/** Windows come in the order in which they were looked at, as in a browser. */
function createWorker(): FakeWorker {
  const windows: FakeWindow[] = [];
  const listeners = new Map<string, (event: never) => void>();
  const worker: FakeWorker = {
    shown: [],
    opened: [],
    open({ visibilityState = "visible", answers }) {
      const window: FakeWindow = {
        visibilityState,
        told: [],
        focus: vi.fn(() => Promise.resolve()),
        postMessage(message, transfer) {
          window.told.push(message);
          if ((message as ToPage).tidings === "here" && answers) transfer?.[0]?.postMessage(answers);
          transfer?.[0]?.close();
        },
      };
      windows.push(window);
      return window;
    },
    async dispatch(type, fields) {
      const event = { stopImmediatePropagation: vi.fn(), waitUntil: vi.fn<(work: Promise<unknown>) => void>() };
      listeners.get(type)?.({ ...event, ...fields } as never);
      const work = Promise.all(event.waitUntil.mock.calls.map(([promise]) => promise));
      // Answers come over real channels; who has not answered by then does not.
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      await vi.advanceTimersByTimeAsync(300);
      await work;
      return event;
    },
    push: (shown) => worker.dispatch("push", { data: { json: () => shown } }),
    click: (shown) => worker.dispatch("notificationclick", { notification: { data: { tidings: shown }, close() {} } }),
    async askClicked() {
      const postMessage = vi.fn();
      await worker.dispatch("message", { data: { tidings: "clicked" }, ports: [{ postMessage }] });
      return postMessage.mock.calls[0]?.[0];
    },
  };
  const scope: WorkerScope = {
    registration: { scope: "https://app.example/", showNotification: async (title, options) => void worker.shown.push([title, options]) },
    clients: { matchAll: async () => windows, openWindow: async (url) => worker.opened.push(url) },
    addEventListener: (type: string, hear: (event: never) => void) => void listeners.set(type, hear),
  };
  listen(scope);
  return worker;
}
