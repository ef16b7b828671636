// What a device looks like: the DOM of its inbox, kept in step with its items. It holds nothing that the device does not know.

import { byClass, clockTime, clone } from "./dom.js";

const EMPTY_PLUGGED = "What is sent to NAME appears here at once.";
const EMPTY_UNPLUGGED = "Nothing reaches this device while the plug is out.";

export class Picture {
  /** does: the device, which is told of clicks: togglePlug, markAll, and of an item read, toggleRead, archive. */
  constructor(kind, name, person, does) {
    this.name = name;
    this.does = does;
    this.rows = new Map();
    this.isPlugged = true;
    this.root = clone("device-template");
    this.part = byClass(this.root);
    this.root.dataset.device = `${person}-${kind}`;
    this.root.setAttribute("aria-label", `${name}’s ${kind}`);
    this.root.querySelector("h3").textContent = kind === "laptop" ? "Laptop" : "Phone";
    this.root.querySelector(".device-bar use").setAttribute("href", `#${kind}`);
    this.part("plug").addEventListener("click", () => does.togglePlug());
    this.part("mark-all").addEventListener("click", () => does.markAll());
    this.plugged(true);
  }

  plugged(isPlugged) {
    this.isPlugged = isPlugged;
    this.root.classList.toggle("unplugged", !isPlugged);
    this.part("plug").setAttribute("aria-pressed", String(!isPlugged));
    this.part("plug-word").textContent = isPlugged ? "Pull the plug" : "Plug in";
    this.part("empty-word").textContent = isPlugged ? EMPTY_PLUGGED.replace("NAME", this.name) : EMPTY_UNPLUGGED;
  }

  word(text, tone) {
    this.part("state").dataset.tone = tone;
    this.part("word").textContent = text;
    this.root.dataset.state = text;
  }

  why(text) {
    this.part("state").title = text ?? "";
  }

  notice(text) {
    this.part("notice").textContent = text;
    this.part("notice").hidden = text === "";
  }

  flash(id, name) {
    const row = this.rows.get(id);
    row?.classList.add(name);
    row?.addEventListener("animationend", () => row.classList.remove(name), { once: true });
  }

  /** tags: of items by id, {text, tone}. */
  render(inbox, tags) {
    const items = inbox.ordered();
    this.renderCounts(inbox);
    this.part("empty").hidden = items.length > 0;
    this.dropRows(new Set(items.map((item) => item.id)));
    let next = this.part("items").firstElementChild;
    for (const item of items) {
      const row = this.rows.get(item.id) ?? this.newRow(item);
      if (row === next) next = next.nextElementSibling;
      else this.part("items").insertBefore(row, next);
      this.renderRow(row, item, tags.get(item.id));
    }
  }

  renderCounts(inbox) {
    const { unread, total } = inbox.counts;
    this.part("badge").hidden = unread === 0;
    this.part("badge").textContent = unread > 99 ? "99+" : String(unread);
    this.part("summary").textContent = unread > 0 ? `${unread} unread` : total > 0 ? "All read" : "Inbox";
    this.part("mark-all").disabled = !this.isPlugged || !inbox.unreadHere();
  }

  newRow(item) {
    const row = clone("item-template");
    const part = byClass(row);
    row.dataset.id = item.id;
    part("title").textContent = item.title;
    part("body").textContent = item.body ?? "";
    part("time").textContent = clockTime(item.created_at);
    part("time").dateTime = item.created_at;
    part("open").addEventListener("click", () => this.does.read(item.id));
    part("toggle").addEventListener("click", () => this.does.toggleRead(item.id));
    part("archive").addEventListener("click", () => this.does.archive(item.id));
    this.rows.set(item.id, row);
    return row;
  }

  renderRow(row, item, tag) {
    const part = byClass(row);
    const label = item.read_at ? "Mark unread" : "Mark read";
    row.classList.toggle("unread", !item.read_at);
    part("toggle").setAttribute("aria-label", label);
    part("toggle").title = label;
    part("toggle").querySelector("use").setAttribute("href", item.read_at ? "#undo" : "#check");
    for (const name of ["open", "toggle", "archive"]) part(name).disabled = !this.isPlugged;
    part("tag").hidden = !tag;
    part("tag").textContent = tag?.text ?? "";
    part("tag").dataset.tone = tag?.tone ?? "";
  }

  dropRows(wanted) {
    for (const [id, row] of this.rows) {
      if (wanted.has(id)) continue;
      this.moveFocusFrom(row);
      row.remove();
      this.rows.delete(id);
    }
  }

  /** To the neighbour, so that whoever works by keyboard does not start over at the top of the page. */
  moveFocusFrom(row) {
    if (!row.contains(document.activeElement)) return;
    const neighbour = row.nextElementSibling ?? row.previousElementSibling;
    (neighbour?.querySelector("button") ?? this.part("plug")).focus();
  }
}
