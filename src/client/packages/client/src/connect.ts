/** A page's connection: its cursor, its listeners, and whether it streams itself or follows a tab that does. */

import { Caller, claimsOf } from "./caller";
import { Bookmark, reaches } from "./cursor";
import { CatchUp } from "./catch-up";
import { type Log, type Sink, Stream } from "./stream";
import { type Tab, Tabs, canShare } from "./tabs";
import { polled } from "./transports/poll";
import type { Connection, Events, Message, Options, State, TransportName } from "./types";
import { backOff, pause, reasonOf, within } from "./wait";

const WAYS: readonly TransportName[] = ["fetch", "eventsource", "poll"];
const HEARD: ReadonlySet<string> = new Set<keyof Events>([
  "notification",
  "notification.updated",
  "notification.retracted",
  "inbox.counts",
  "reset",
]);

/** Open the subscriber's stream. It begins at once, unless `start` is false, and comes back by itself until it is closed. */
export function connect(options: Options): Connection {
  const page = new Page(options);
  if (options.start !== false) page.start();
  return page;
}

class Page implements Connection, Tab, Sink {
  state: State = { name: "connecting", attempt: 0, transport: "fetch" };
  cursor: string | null;
  isLeader = false;
  private caller: Caller;
  private readonly ending: AbortController;
  private readonly listeners = new Map<string, Set<(data: never) => void>>();
  private readonly log: Log;
  private catchUp: CatchUp | undefined;
  private bookmark: Bookmark | undefined;
  private tabs: Tabs | undefined;
  private running: AbortController | undefined;
  /** The page has yet to be told that it is another person's. */
  private isAnother = false;

  constructor(private readonly options: Options) {
    this.caller = this.newCaller();
    this.cursor = options.cursor ?? null;
    this.ending = within(options.signal ?? new AbortController().signal);
    this.log = logOf(options.debug);
    if (this.ending.signal.aborted) this.ended();
    this.ending.signal.addEventListener("abort", () => this.ended());
  }

  on<Name extends keyof Events>(name: Name, listener: (data: Events[Name]) => void): () => void {
    const listeners = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return this.caller.fetch(path, init);
  }

  start(cursor?: string | null): void {
    if (this.running || this.ending.signal.aborted) return;
    this.running = within(this.ending.signal);
    this.cursor = cursor ?? this.cursor;
    void this.run(this.running.signal).catch((error: unknown) => this.log("stopped", error));
  }

  pause(): void {
    if (this.running) this.stop({ name: "paused" });
  }

  private stop(state: State): void {
    this.running?.abort();
    this.running = this.tabs = undefined;
    this.setState(state);
  }

  close(): void {
    this.ending.abort();
  }

  private newCaller(): Caller {
    return new Caller(this.options.url.replace(/\/+$/, ""), this.options.token, (caller) => caller === this.caller && this.changePerson());
  }

  /** Someone else has signed in: nothing goes on from where the one before was. */
  private changePerson(): void {
    this.caller = this.newCaller();
    this.cursor = null;
    this.isAnother = true;
    if (!this.running) return;
    this.running.abort();
    this.running = this.tabs = undefined;
    this.start();
    this.setState({ name: "connecting", attempt: 0, transport: "fetch" });
  }

  private async run(signal: AbortSignal): Promise<void> {
    const name = await this.begin(signal);
    if (signal.aborted) return;
    this.cursor ??= this.bookmark!.read();
    addEventListener("pagehide", () => this.bookmark?.flush(), { signal });
    if (this.options.share === false || !canShare()) return this.lead(signal);
    this.catchUp = new CatchUp(this.caller, this, signal);
    this.tabs = new Tabs(name, this, signal);
    await this.tabs.run();
  }

  /** Answers whose this is: tabs of two people, or of two servers, do not share. Waits until there is a token to tell. */
  private async begin(signal: AbortSignal): Promise<string> {
    for (let attempt = 0; ; attempt++) {
      try {
        const token = await this.caller.token();
        const { project, sub } = claimsOf(token);
        const name = `tidings:${this.caller.url || location.origin}:${project ?? ""}:${sub ?? token.slice(-16)}`;
        this.bookmark = new Bookmark(`${name}:cursor`);
        if (this.isAnother) await this.startOver("person", signal);
        this.isAnother = false;
        return name;
      } catch (error) {
        if (signal.aborted) throw error;
        const wait = Math.round(backOff(attempt, 1000));
        this.setState({ name: "waiting", until: Date.now() + wait, why: reasonOf(error) });
        await pause(wait, signal);
        if (signal.aborted) throw error;
      }
    }
  }

  private ended(): void {
    this.bookmark?.flush();
    this.running = this.tabs = undefined;
    this.state = { name: "closed", why: "closed" };
    this.emit("state", this.state);
    this.listeners.clear();
  }

  // Leading: the stream is ours

  async lead(signal: AbortSignal): Promise<void> {
    this.isLeader = true;
    signal.addEventListener("abort", () => (this.isLeader = false));
    this.tabs?.tellState();
    const why = await new Stream(this.caller, this.options.transports ?? WAYS, this, this.log).run(signal);
    if (why !== null) this.stop({ name: "closed", why });
  }

  take(message: Message): void {
    const previous = this.cursor;
    if (this.apply(message)) this.tabs?.tell(message, previous);
  }

  /** From where things stand now: the cursor comes first, so that what the page reads when it is told joins the stream without a gap. */
  async startOver(reason: string, signal: AbortSignal): Promise<void> {
    const { cursor } = await polled({ caller: this.caller, cursor: null, signal }, 0);
    this.cursor = null;
    this.take({ type: "reset", data: { reason, cursor }, id: cursor });
  }

  /** The leader says it again whenever a tab asks who leads. */
  private setState(state: State): void {
    if (JSON.stringify(state) === JSON.stringify(this.state)) return;
    this.state = state;
    this.log(state.name, state);
    this.emit("state", state);
  }

  /** The state of our own stream. */
  stateOfStream(state: State): void {
    this.setState(state);
    this.tabs?.tellState();
  }

  // Following: another tab streams

  follow(message: Message, previous: string | null): void {
    const isNext = previous !== null && reaches(this.cursor, previous);
    if (this.cursor === null || isNext || message.id === null || message.type === "reset") this.apply(message);
    else this.catchUp?.to(message.id);
  }

  followState(state: State, cursor: string | null): void {
    this.setState(state);
    if (this.cursor === null && cursor !== null) this.moveTo(cursor);
    else if (!reaches(this.cursor, cursor)) this.catchUp?.to(cursor);
  }

  // Both

  /** Hand it out, if it is news. */
  apply(message: Message): boolean {
    const { type, data } = message;
    // Counts carry no place of their own: over EventSource and polls they come with a neighbour's.
    const id = type === "inbox.counts" ? null : message.id;
    if (id !== null && this.cursor !== null && reaches(this.cursor, id)) return false;
    // `ready` says where we asked to go on; or a reset follows, and until it has come we stand where we stood.
    if (id !== null && (type !== "ready" || this.cursor === null)) this.moveTo(id, type === "reset");
    this.log(type, message);
    if (HEARD.has(type)) this.emit(type as keyof Events, data as never);
    return true;
  }

  private moveTo(cursor: string, goesBack = false): void {
    this.cursor = cursor;
    this.bookmark?.write(cursor, goesBack);
  }

  private emit<Name extends keyof Events>(name: Name, data: Events[Name]): void {
    for (const listener of [...(this.listeners.get(name) ?? [])] as ((data: Events[Name]) => void)[]) {
      try {
        listener(data);
      } catch (error) {
        // A listener that fails must not cost the others the event, nor us the stream.
        reportError(error);
      }
    }
  }
}

function logOf(debug: Options["debug"]): Log {
  if (!debug) return () => undefined;
  const write = typeof debug === "function" ? debug : (line: string, detail?: unknown) => console.debug(`tidings: ${line}`, detail);
  return (line, detail) => {
    try {
      write(line, detail);
    } catch (error) {
      reportError(error);
    }
  };
}
