/** An inbox that is open, with what it was given at the server. */

import { createInbox, type Inbox } from "../src/store/inbox";
import type { Item } from "../src/store/state";
import { createClock, createServer, item, type FakeServer } from "./fakes";

export const numbers = (inbox: Inbox): number[] => inbox.getState().items.map(({ id }) => Number(id.slice(4, 8)));
export const many = (count: number, over: (n: number) => Partial<Item> = () => ({})): Item[] =>
  Array.from({ length: count }, (_, index) => item(index + 1, over(index + 1)));

export async function opened(...items: Item[]): Promise<{ inbox: Inbox; server: FakeServer; clock: ReturnType<typeof createClock> }> {
  const server = createServer(...items);
  const clock = createClock();
  const inbox = createInbox(server.connection, clock);
  await inbox.load();
  return { inbox, server, clock };
}
