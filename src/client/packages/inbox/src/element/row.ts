/** One notification of the list. */

import type { Speech } from "../messages/messages";
import { isHere, isUnread, type Item } from "../store/state";
import { actionsOf, type Action } from "./actions";
import { become, h, iconButton, linkOrButton, set, setText } from "./dom";
import type { Entry } from "./groups";
import type { TimeWords } from "./times";
import { safeUrl } from "./urls";

export interface RowHooks {
  onOpen(item: Item, event?: Event): void;
  onAction(item: Item, action: Action, event: Event): void;
  onArchive(item: Item): void;
  onToggleRead(item: Item): void;
}

export interface Row {
  element: HTMLElement;
  update(entry: Entry, now: number): void;
  /** Whether the list's one stop of the Tab key is here. */
  setCurrent(isCurrent: boolean): void;
  open(): void;
}

/** The category as a person reads it: `data_exports` becomes "Data exports". */
export function categoryName(category: string): string {
  const words = String(category).replace(/[_.:-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Of the day, above its rows. */
export function createHeading(label: string): Row {
  return { element: h("div", "heading", {}, label), update() {}, setCurrent() {}, open() {} };
}

export function createRow(first: Item, { messages }: Speech, times: TimeWords, hooks: RowHooks): Row {
  let item = first;
  const at = Date.parse(item.created_at);
  const [unreadId, titleId, bodyId, timeId] = ["u", "t", "b", "w"].map((part) => part + first.id) as [string, string, string, string];

  const dot = h("span", "dot", { id: unreadId });
  const title = linkOrButton(safeUrl(item.url, document.baseURI), "title", (event) => hooks.onOpen(item, event), item.title);
  set(title, { id: titleId, dir: "auto" });
  const time = h("time", "time", { id: timeId, datetime: item.created_at, title: times.full(at) });
  const body = h("p", "body", { id: bodyId, dir: "auto" }, item.body ?? "");
  const toggle = iconButton("read", messages.markRead, () => hooks.onToggleRead(item));
  const archive = iconButton("archive", messages.archive, () => hooks.onArchive(item));
  const foot = footOf(item, messages.urgent, (action, event) => hooks.onAction(item, action, event));
  const names = { "aria-labelledby": `${unreadId} ${titleId}`, "aria-describedby": `${bodyId} ${timeId}` };
  const tools = h("div", "tools", {}, toggle, archive);
  const element = h("article", "row", { id: item.id, ...names }, dot, title, time, body, foot, tools);
  const stops = [element, ...element.querySelectorAll<HTMLElement>("a, button")];

  return {
    element,
    update(entry, now) {
      if (entry.kind === "item") item = entry.item;
      setText(dot, isUnread(item) && isHere(item) ? messages.unread : "");
      setText(time, times.relative(at, now));
      if (isUnread(item)) become(toggle, "read", messages.markRead);
      else become(toggle, "unread", messages.markUnread);
      if (isHere(item)) become(archive, "archive", messages.archive);
      else become(archive, "inbox", messages.unarchive);
    },
    setCurrent: (isCurrent) => stops.forEach((stop) => (stop.tabIndex = isCurrent ? 0 : -1)),
    open: () => title.click(),
  };
}

function footOf(item: Item, urgent: string, onAction: (action: Action, event: Event) => void): HTMLElement {
  const foot = h("div", "foot");
  if (item.priority === "critical") foot.append(h("span", "urgent", {}, urgent));
  if (item.category !== null) foot.append(h("span", "category", {}, categoryName(item.category)));
  const actions = actionsOf(item.data, document.baseURI).map((action) =>
    linkOrButton(action.url, action.isPrimary ? "action primary" : "action", (event) => onAction(action, event), action.label),
  );
  if (actions.length > 0) foot.append(h("div", "actions", {}, ...actions));
  return foot;
}
