// One device of one person: its stream, its inbox, and what the person does with it. Its picture is in picture.js.

import { Inbox } from "./inbox.js";
import { Picture } from "./picture.js";
import { LiveStream } from "./stream.js";
import { milliseconds } from "./dom.js";

export class Device {
  /**
   * kind: laptop or phone.   account: the person's.   clicks: when things were clicked, by nonce (a send) or key (a mark).
   * hears: {event, arrived, failed}, told of what the rest of the page shows.
   */
  constructor({ kind, name, account, clicks, hears }) {
    Object.assign(this, { kind, name, account, clicks, hears });
    this.label = `${name}’s ${kind}`;
    this.inbox = new Inbox();
    this.tags = new Map();
    this.held = null;
    this.missed = 0;
    this.openedAt = 0;
    this.resumed = false;
    this.isUnplugged = false;
    this.picture = new Picture(kind, name, account.person, this);
    this.stream = new LiveStream({
      url: "/v1/stream",
      credential: (how) => account.credential(how),
      onState: (state) => this.connection(state),
      onEvent: (event) => this.event(event),
      onComment: () => this.hears.event(this, { type: "heartbeat", id: null, data: "" }),
    });
  }

  // The connection ---------------------------------------------------------------------------------------------------

  async start() {
    try {
      await this.snapshot();
      this.stream.start();
    } catch (error) {
      this.hears.failed(`${this.label} could not read its inbox: ${error.message}`);
      this.word("waiting", "warn");
      setTimeout(() => this.start(), 2000 + 1000 * Math.random());
    }
  }

  /** The inbox as it is. What streams in meanwhile waits, and is applied on top of it. */
  async snapshot() {
    this.held ??= [];
    try {
      const [page, counts] = await Promise.all([this.account.inbox(), this.account.counts()]);
      this.inbox.replace(page.items);
      this.inbox.counts = counts;
      // A stream that begins here misses nothing; one that runs is further already.
      this.stream.cursor ??= page.cursor;
    } finally {
      const held = this.held ?? [];
      this.held = null;
      held.forEach((event) => this.handle(event));
      this.render();
    }
  }

  togglePlug() {
    this.isUnplugged = !this.isUnplugged;
    this.picture.plugged(!this.isUnplugged);
    this.picture.notice(this.isUnplugged ? `Connection dropped. Last event: ${this.stream.cursor ?? "none"}` : "");
    clearTimeout(this.settling);
    if (this.isUnplugged) this.stream.stop();
    else this.stream.start();
    this.render();
  }

  /** A page in the background gives its connections back: over HTTP/1.1 a browser keeps six to a server, for all its pages. */
  pause(isHidden) {
    if (this.isUnplugged || !this.openedAt) return;
    if (isHidden) this.stream.stop();
    else this.stream.start();
  }

  connection(state) {
    if (state.name === "live") return this.opened();
    if (state.name === "stopped") return this.word(this.isUnplugged ? "unplugged" : "paused", this.isUnplugged ? "bad" : "quiet");
    if (state.name === "waiting") this.picture.why(state.why);
    this.resumed ||= state.name === "waiting";
    this.word(this.openedAt ? "reconnecting" : "connecting", this.openedAt ? "warn" : "quiet");
  }

  opened() {
    this.missed = 0;
    this.resumed = this.openedAt > 0;
    this.openedAt = Date.now();
    this.picture.why("");
    this.word("live", "good");
    this.settleCounts();
  }

  word(text, tone) {
    this.picture.word(text, tone);
  }

  render() {
    this.picture.render(this.inbox, this.tags);
  }

  // The events -------------------------------------------------------------------------------------------------------

  event(event) {
    this.hears.event(this, event);
    if (this.held && event.type !== "reset") this.held.push(event);
    else this.handle(event);
  }

  handle({ type, data }) {
    this.handlers[type]?.(JSON.parse(data || "null"));
  }

  handlers = {
    notification: (item) => this.arrived(item),
    "inbox.counts": (counts) => {
      this.inbox.counts = counts;
      this.picture.renderCounts(this.inbox);
    },
    "notification.updated": (mark) => this.updated(mark),
    "notification.retracted": ({ id }) => this.retracted(id),
    reset: ({ reason }) => this.reset(reason),
  };

  arrived(item) {
    if (!this.inbox.add(item)) return;
    const clickedAt = this.clicks.get(item.data?.demo);
    const sentAt = clickedAt?.wall ?? Date.parse(item.created_at);
    if (this.resumed && sentAt < this.openedAt) this.caughtUp(item);
    else if (clickedAt) this.timed(item, performance.now() - clickedAt.at);
    if (item.collapse_key) this.settleCounts();
    this.render();
    this.picture.flash(item.id, "arrives");
  }

  timed(item, took) {
    this.tags.set(item.id, { text: milliseconds(took), tone: "fast" });
    this.hears.arrived(this, item, took);
  }

  caughtUp(item) {
    this.missed += 1;
    this.tags.set(item.id, { text: "caught up", tone: "caught" });
    this.picture.notice(`Back. ${this.missed} missed, ${this.missed} delivered.`);
    this.hears.arrived(this, item, null);
  }

  updated(mark) {
    if (mark.change === "unarchived") return this.snapshot().catch(() => {});
    const touched = this.inbox.apply(mark);
    const click = this.clicks.get(markKey(this.account.person, mark));
    if (click && click.device !== this) this.followed(touched, performance.now() - click.at);
    this.render();
  }

  followed(ids, took) {
    for (const id of ids) {
      if (!this.inbox.items.has(id)) continue;
      this.tags.set(id, { text: `followed in ${milliseconds(took)}`, tone: "follow" });
      this.picture.flash(id, "follows");
    }
  }

  retracted(id) {
    if (this.inbox.remove(id)) this.settleCounts();
    this.render();
  }

  reset(reason) {
    this.picture.notice(`Started over from a snapshot (${reason ?? "reset"}).`);
    this.snapshot().catch((error) => this.hears.failed(error.message));
  }

  /** Ask for the counts soon: an arrival or a retraction brings none with it. */
  settleCounts() {
    clearTimeout(this.settling);
    this.settling = setTimeout(async () => {
      this.inbox.counts = await this.account.counts().catch(() => this.inbox.counts);
      this.picture.renderCounts(this.inbox);
    }, 400);
  }

  // What the person does ---------------------------------------------------------------------------------------------

  read(id) {
    if (!this.inbox.items.get(id)?.read_at) this.mark("read", { ids: [id] });
  }

  toggleRead(id) {
    this.mark(this.inbox.items.get(id)?.read_at ? "unread" : "read", { ids: [id] });
  }

  archive(id) {
    this.mark("archive", { ids: [id] });
  }

  markAll() {
    const [newest] = this.inbox.ordered();
    if (newest) this.mark("read", { up_to: newest.id });
  }

  /** Here at once; on the other devices when the event reaches them; taken back here if the server refuses. */
  async mark(action, which) {
    const change = action === "archive" ? "archived" : action;
    const touched = this.inbox.apply({ ...which, change, at: new Date().toISOString() });
    this.clicks.set(markKey(this.account.person, { change, ids: touched }), { at: performance.now(), device: this });
    for (const id of touched) this.tags.delete(id);
    this.render();
    try {
      this.inbox.counts = (await this.account.mark(action, which)).counts;
      this.picture.renderCounts(this.inbox);
    } catch (error) {
      this.hears.failed(error.message);
      this.snapshot().catch(() => {});
    }
  }
}

/** Recognises on another device what was clicked on this one: one item by its id, several by the change alone. */
function markKey(person, { change, ids }) {
  return `${person} ${change} ${ids?.length === 1 ? ids[0] : "many"}`;
}
