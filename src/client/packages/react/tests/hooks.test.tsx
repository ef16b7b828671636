// @vitest-environment happy-dom
import { TidingsProvider, useInbox, useNotification, useUnreadCount, type InboxActions, type InboxState, type TidingsProviderProps } from "@tidings/react";
import { act, useEffect, type ReactNode } from "react";
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

const Provider = (props: Partial<TidingsProviderProps>): ReactNode => <TidingsProvider url={URL_OF_API} token={api.token} share={false} {...props} />;

function List(): ReactNode {
  const { items, counts, status, markRead } = useInbox();
  return (
    <ul data-status={status.name} data-unread={counts.unread}>
      {items.map(({ id, title }) => (
        <li key={id} onClick={() => markRead([id])}>
          {title}
        </li>
      ))}
    </ul>
  );
}

const click = (n: number): Promise<void> => act(async () => drawn.element.querySelectorAll("li")[n]?.click());

const titles = (): string[] => [...drawn.element.querySelectorAll("li")].map(({ textContent }) => textContent ?? "");

test("an inbox is read, listened to and marked", async () => {
  drawn = await draw(<Provider children={<List />} />);
  await soon(() => expect(titles()).toEqual(["Number 2", "Number 1"]));
  await soon(() => expect(api.streams.size).toBe(1));
  api.tell("notification", item(3));
  await soon(() => expect(titles()).toEqual(["Number 3", "Number 2", "Number 1"]));
  await click(1);
  await soon(() => expect(api.items.map(({ read_at }) => read_at !== null)).toEqual([true, false]));
});

test("StrictMode, which opens it twice, leaves one stream and asks once; at the end none is left", async () => {
  drawn = await draw(<Provider children={<List />} />);
  await soon(() => expect(api.streams.size).toBe(1));
  expect(api.token).toHaveBeenCalledTimes(1);
  expect(api.requests.filter((request) => request === "GET /v1/inbox")).toHaveLength(1);
  await drawn.again(null);
  await soon(() => expect(api.streams.size).toBe(0));
});

test("a token function that is another on each render keeps the connection, and the newest is asked", async () => {
  drawn = await draw(<Provider token={() => "older"} children={<List />} />);
  await soon(() => expect(titles()).toHaveLength(2));
  await soon(() => expect(api.streams.size).toBe(1));
  const before = [...api.streams];
  await drawn.again(<Provider token={() => "newer"} children={<List />} />);
  api.refused = "older";
  await click(1);
  await soon(() => expect(api.items.map(({ read_at }) => read_at !== null)).toEqual([false, true]));
  expect([...api.streams]).toEqual(before);
});

test("another url is another connection", async () => {
  drawn = await draw(<Provider children={<List />} />);
  await soon(() => expect(api.streams.size).toBe(1));
  const before = [...api.streams];
  await drawn.again(<Provider url="https://other.example" children={<List />} />);
  await soon(() => expect(api.streams.size).toBe(1));
  expect([...api.streams]).not.toEqual(before);
});

test("what the hooks answer stays the same object until something changes, and the functions for ever", async () => {
  const answers: (InboxState & InboxActions)[] = [];
  const Look = (): ReactNode => {
    answers.push(useInbox());
    return null;
  };
  drawn = await draw(<Provider children={<Look />} />);
  await soon(() => expect(answers.at(-1)?.status.name).toBe("ready"));
  await soon(() => expect(answers.at(-1)?.connection.name).toBe("live"));
  const settled = answers.at(-1);
  await drawn.again(<Provider children={<Look />} />);
  expect(answers.at(-1)).toBe(settled);
  api.tell("notification", item(3));
  await soon(() => expect(answers.at(-1)?.items).toHaveLength(3));
  expect(answers.at(-1)).not.toBe(settled);
  expect(answers.at(-1)?.markRead).toBe(answers[0]?.markRead);
});

test("the unread count renders only when it is another", async () => {
  const counts: number[] = [];
  const Count = (): ReactNode => {
    counts.push(useUnreadCount());
    return null;
  };
  drawn = await draw(<Provider children={<Count />} />);
  await soon(() => expect(counts.at(-1)).toBe(2));
  await soon(() => expect(api.streams.size).toBe(1));
  api.tell("notification", item(3));
  await soon(() => expect(counts.at(-1)).toBe(3));
  // StrictMode renders each twice.
  expect(counts).toEqual([0, 0, 2, 2, 3, 3]);
});

test("a listener is told of what arrives, once, and the newest one is", async () => {
  const heard: string[] = [];
  const Listen = ({ name }: { name: string }): ReactNode => {
    useNotification(({ title }) => heard.push(`${name} ${title}`));
    return null;
  };
  drawn = await draw(<Provider children={<Listen name="first" />} />);
  await soon(() => expect(api.streams.size).toBe(1));
  await drawn.again(<Provider children={<Listen name="second" />} />);
  api.tell("notification", item(3));
  api.tell("notification", item(3));
  await soon(() => expect(heard).toEqual(["second Number 3"]));
});

test("an effect of what is inside finds the inbox there", async () => {
  const Archive = (): ReactNode => {
    const { setView, view } = useInbox();
    useEffect(() => setView("archived"), [setView]);
    return <p>{view}</p>;
  };
  drawn = await draw(<Provider children={<Archive />} />);
  await soon(() => expect(drawn.element.textContent).toBe("archived"));
});

test("without a provider the hooks say what is missing", async () => {
  const silent = vi.spyOn(console, "error").mockImplementation(() => {});
  await expect(draw(<List />)).rejects.toThrow("There is no <TidingsProvider> around this.");
  silent.mockRestore();
  drawn = await draw(null);
});
