// One device of one person: an inbox on a connection of its own, and the plug of that connection.

import { connect } from "/client/inbox.js";
import { byClass, clone, milliseconds } from "./dom.js";

const HEARD = ["notification", "notification.updated", "notification.retracted", "inbox.counts", "reset"];
const WORDS = {
  connecting: ["connecting", "quiet"],
  live: ["live", "good"],
  waiting: ["reconnecting", "warn"],
  offline: ["offline", "warn"],
  paused: ["paused", "quiet"],
  closed: ["closed", "bad"],
};

export class Device {
  /**
   * kind: laptop or phone.   account: the person's.   clicks: when a send was clicked, by nonce.
   * hears: {event, arrived}, told of what the rest of the page shows.
   */
  constructor({ kind, name, account, clicks, hears }) {
    Object.assign(this, { clicks, hears, isUnplugged: false, liveAt: 0, resumed: false, missed: 0 });
    this.label = `${name}’s ${kind}`;
    this.draw(kind, account.person);
    // Each device of this page stands for a machine of its own, so none shares with the others.
    this.connection = connect({ url: location.origin, token: () => account.token(), start: false, share: false });
    this.connection.on("state", (state) => this.connected(state));
    this.connection.on("notification", (item) => this.arrived(item));
    for (const type of HEARD) this.connection.on(type, (data) => hears.event(this, { type, data, id: this.connection.cursor }));
    this.part("inbox").connection = this.connection;
  }

  draw(kind, person) {
    this.root = clone("device-template");
    this.part = byClass(this.root);
    this.root.dataset.device = `${person}-${kind}`;
    this.root.setAttribute("aria-label", this.label);
    this.root.querySelector("h3").textContent = kind === "laptop" ? "Laptop" : "Phone";
    this.root.querySelector(".device-bar use").setAttribute("href", `#${kind}`);
    this.part("plug").addEventListener("click", () => this.togglePlug());
  }

  togglePlug() {
    this.isUnplugged = !this.isUnplugged;
    this.root.classList.toggle("unplugged", this.isUnplugged);
    this.part("inbox").inert = this.isUnplugged;
    this.part("plug").setAttribute("aria-pressed", String(this.isUnplugged));
    this.part("plug-word").textContent = this.isUnplugged ? "Plug in" : "Pull the plug";
    if (this.isUnplugged) this.notice(`Connection dropped. Last event: ${this.connection.cursor ?? "none"}`);
    this.listen(!this.isUnplugged);
  }

  /** A page in the background gives its connections back: over HTTP/1.1 a browser keeps six to a server, for all its pages. */
  pause(isHidden) {
    if (!this.isUnplugged && this.liveAt) this.listen(!isHidden);
  }

  listen(isWanted) {
    if (isWanted) this.connection.start();
    else this.connection.pause();
  }

  connected(state) {
    if (state.name === "live") this.opened();
    const [word, tone] = this.isUnplugged ? ["unplugged", "bad"] : this.liveAt && state.name === "connecting" ? WORDS.waiting : WORDS[state.name];
    this.part("state").dataset.tone = tone;
    this.part("state").title = state.why ?? "";
    this.part("word").textContent = word;
    this.root.dataset.state = word;
  }

  opened() {
    this.resumed = this.liveAt > 0;
    this.missed = 0;
    this.liveAt = Date.now();
    this.notice("");
  }

  arrived(item) {
    const click = this.clicks.get(item.data?.demo);
    if (this.resumed && (click?.wall ?? Date.parse(item.created_at)) < this.liveAt) return this.caughtUp(item);
    if (!click) return;
    const took = performance.now() - click.at;
    this.notice(`${milliseconds(took)} from click to screen`, "fast");
    this.hears.arrived(this, item, took);
  }

  caughtUp(item) {
    this.missed += 1;
    this.notice(`Back. ${this.missed} missed, ${this.missed} delivered.`, "caught");
    this.hears.arrived(this, item, null);
  }

  notice(text, tone = "") {
    const notice = this.part("notice");
    notice.textContent = text;
    notice.dataset.tone = tone;
    notice.hidden = text === "";
  }
}
