// @vitest-environment happy-dom
import { TidingsInbox, TidingsProvider, type TidingsInboxElement } from "@tidings/react";
import { createRef, type ReactNode } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { URL_OF_API, fakeApi, item, type FakeApi } from "./fake-api";
import { draw, soon, type Drawn } from "./page";

let api: FakeApi;
let drawn: Drawn;

beforeEach(() => void (api = fakeApi(item(2), item(1))));

afterEach(async () => {
  await drawn.end();
  vi.unstubAllGlobals();
});

const tag = (): TidingsInboxElement => drawn.element.querySelector("tidings-inbox") as TidingsInboxElement;
const bell = (): Element => tag().shadowRoot?.querySelector("[part~=bell]") as Element;

test("props become attributes, and what is not set is not there", async () => {
  drawn = await draw(
    <TidingsInbox url={URL_OF_API} token="a token" share={false} mode="panel" sort="unread" categories={["billing", "builds"]} readOn="view" toast sound={false} push="/tidings-push.js" className="mine" />,
  );
  const attributes = Object.fromEntries([...tag().attributes].map(({ name, value }) => [name, value]));
  expect(attributes).toEqual({
    "url": URL_OF_API,
    "no-share": "",
    "mode": "panel",
    "sort": "unread",
    "categories": "billing builds",
    "read-on": "view",
    "toast": "",
    "push": "/tidings-push.js",
    "class": "mine",
  });
});

test("it connects and draws once, however often it is rendered with another function and other words of the same text", async () => {
  const inbox = (): ReactNode => <TidingsInbox url={URL_OF_API} token={() => api.token()} share={false} messages={{ title: "News" }} />;
  drawn = await draw(inbox());
  await soon(() => expect(tag().inbox?.getState().items).toHaveLength(2));
  const before = { inbox: tag().inbox, bell: bell() };
  await drawn.again(inbox());
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(tag().inbox).toBe(before.inbox);
  expect(bell()).toBe(before.bell);
  expect(api.token).toHaveBeenCalledTimes(1);
  expect(tag().messages).toEqual({ title: "News" });
});

test("in a provider it needs nothing, and has no connection of its own", async () => {
  drawn = await draw(
    <TidingsProvider url={URL_OF_API} token={api.token} share={false}>
      <TidingsInbox />
    </TidingsProvider>,
  );
  await soon(() => expect(tag().inbox?.getState().items).toHaveLength(2));
  await soon(() => expect(api.streams.size).toBe(1));
  api.tell("notification", item(3));
  await soon(() => expect(tag().inbox?.getState().items).toHaveLength(3));
  expect(api.requests.filter((request) => request === "GET /v1/stream")).toHaveLength(1);
  expect(api.token).toHaveBeenCalledTimes(1);
});

test("in a provider with another connection it follows", async () => {
  const around = (url: string): ReactNode => <TidingsProvider url={url} token={api.token} share={false} children={<TidingsInbox />} />;
  drawn = await draw(around(URL_OF_API));
  await soon(() => expect(tag().connection?.state.name).toBe("live"));
  const before = tag().connection;
  await drawn.again(around("https://other.example"));
  await soon(() => expect(tag().connection?.state.name).toBe("live"));
  expect(tag().connection).not.toBe(before);
  expect(api.streams.size).toBe(1);
});

test("events reach the handlers of the last render, once, and can be prevented", async () => {
  const older = vi.fn();
  const newer = vi.fn((event: Event) => event.preventDefault());
  drawn = await draw(<TidingsInbox onOpen={older} />);
  await drawn.again(<TidingsInbox onOpen={newer} />);
  const event = new CustomEvent("tidings-open", { detail: { item: item(1) }, cancelable: true });
  expect(tag().dispatchEvent(event)).toBe(false);
  expect(newer).toHaveBeenCalledTimes(1);
  expect(older).not.toHaveBeenCalled();
});

test("what arrives and how much is unread is told", async () => {
  const told: unknown[] = [];
  drawn = await draw(
    <TidingsInbox
      url={URL_OF_API}
      token="a token"
      share={false}
      onArrival={({ detail }) => told.push(detail.item.title)}
      onUnread={({ detail }) => told.push(detail.unread)}
    />,
  );
  await soon(() => expect(told).toEqual([2]));
  await soon(() => expect(api.streams.size).toBe(1));
  api.tell("notification", item(3));
  await soon(() => expect(told).toEqual([2, 3, "Number 3"]));
});

test("what a server has drawn is taken over without complaint", async () => {
  const page = (
    <TidingsProvider url={URL_OF_API} token={api.token} share={false}>
      <TidingsInbox toast className="mine" />
    </TidingsProvider>
  );
  const complaints = vi.spyOn(console, "error");
  // As in server.test.tsx.
  drawn = await draw(page, '<tidings-inbox toast="" class="mine"></tidings-inbox>');
  await soon(() => expect(tag().inbox?.getState().items).toHaveLength(2));
  expect(complaints).not.toHaveBeenCalled();
});

test("a ref is the element", async () => {
  const ref = createRef<TidingsInboxElement>();
  drawn = await draw(<TidingsInbox ref={ref} />);
  expect(ref.current).toBe(tag());
});

test("taken away, it holds no stream", async () => {
  drawn = await draw(<TidingsInbox url={URL_OF_API} token="a token" share={false} />);
  await soon(() => expect(api.streams.size).toBe(1));
  await drawn.again(null);
  await soon(() => expect(api.streams.size).toBe(0));
});
