/** <tidings-inbox>: what a page writes. What it shows is in scene.ts. */

import { connect, type Connection, type Token } from "@tidings/client";
import { languageFor, speak, type Language, type Messages } from "../messages/messages";
import { createInbox, type Inbox } from "../store/inbox";
import { languagesFor } from "./languages";
import { createScene, type Scene } from "./scene";
import { style } from "./styles";

/** With another of these it is another connection; with another of the rest it is drawn anew. */
const CONNECTS = ["url", "token", "no-share"];
const DRAWS = ["lang", "mode", "sort", "categories", "read-on", "toast", "sound", "desktop", "push"];

/** Where there is no page, as when one is rendered on a server, the module can still be imported. */
const PageElement = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

export class TidingsInbox extends PageElement {
  static readonly observedAttributes = [...CONNECTS, ...DRAWS];

  #token: Token | null = null;
  #messages: Partial<Messages> = {};
  /** The page's own connection, in place of one of ours. */
  #given: Connection | null = null;
  #connection: Connection | null = null;
  #inbox: Inbox | null = null;
  #scene: Scene | null = null;
  #changes = 0;

  /** A subscriber's token, or how to get one. */
  get token(): Token | null {
    return this.#token ?? this.getAttribute("token");
  }

  set token(token: Token | null) {
    this.#token = token;
    this.#change(true);
  }

  /** The connection it lives on. A page that has one gives it here, instead of url and token, and closes it itself. */
  get connection(): Connection | null {
    return this.#given ?? this.#connection;
  }

  set connection(connection: Connection | null) {
    this.#given = connection;
    this.#change(true);
  }

  /** Words in place of our own. */
  get messages(): Partial<Messages> {
    return this.#messages;
  }

  set messages(messages: Partial<Messages>) {
    this.#messages = messages;
    this.#change(false);
  }

  /** What it shows, without the page; null before there is a token. */
  get inbox(): Inbox | null {
    return this.#inbox;
  }

  open(): void {
    this.#scene?.open();
  }

  close(): void {
    this.#scene?.close();
  }

  /** At sign-out: when this resolves nothing is pushed to this browser any more, nor shown by it. */
  async forget(): Promise<void> {
    const { forget } = await import("./attention/attention");
    await forget(this.connection, this.getAttribute("push")).finally(() => this.#scene?.render());
  }

  connectedCallback(): void {
    // A property that was set before this class was known lies on the element itself, and hides ours.
    const early = { ...this };
    for (const name in early) delete this[name];
    Object.assign(this, early);
    this.#change(true);
  }

  disconnectedCallback(): void {
    this.#disconnect();
  }

  attributeChangedCallback(name: string, before: string | null, value: string | null): void {
    if (before !== value) this.#change(CONNECTS.includes(name));
  }

  /** Soon, so that a page may set one thing after the other. */
  #change(connects: boolean): void {
    if (connects) this.#disconnect();
    this.#changes += 1;
    void this.#showAfter(this.#changes);
  }

  async #showAfter(change: number): Promise<void> {
    await null;
    if (change !== this.#changes || !this.isConnected) return;
    this.#inbox ??= this.#connect();
    const language = await languageFor(languagesFor(this));
    const { connection } = this;
    if (change === this.#changes && this.isConnected && this.#inbox && connection) this.#show(this.#inbox, connection, language);
  }

  #show(inbox: Inbox, connection: Connection, language: Language): void {
    const wasOpen = this.#scene?.isOpen;
    const focused = (this.getRootNode() as Document).activeElement as HTMLElement | null;
    this.#scene?.end();
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [style()];
    this.#scene = createScene(this, root, inbox, speak(language, this.#messages), connection);
    inbox.setSort(this.getAttribute("sort") === "unread" ? "unread" : "time");
    if (wasOpen) this.#scene.open(focused === this || focused === null ? undefined : focused);
  }

  #connect(): Inbox | null {
    if (this.#given) return createInbox(this.#given);
    const { token } = this;
    if (!token) return null;
    const url = (this.getAttribute("url") ?? location.origin).replace(/\/$/, "");
    this.#connection = connect({ url, token, start: false, share: !this.hasAttribute("no-share") });
    return createInbox(this.#connection);
  }

  #disconnect(): void {
    this.#scene?.end();
    this.#inbox?.close();
    this.#connection?.close();
    this.#scene = this.#inbox = this.#connection = null;
  }
}
