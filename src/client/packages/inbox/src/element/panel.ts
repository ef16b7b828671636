/** The inbox as one sees it: head, filters, list or what stands in its place, and the bar. */

import type { Clock } from "../clock";
import type { Speech } from "../messages/messages";
import type { Inbox } from "../store/inbox";
import { isHere, isUnread, type InboxState, type Item } from "../store/state";
import { createBar } from "./bar";
import { button, h, iconButton, set, setText } from "./dom";
import { createFilters } from "./filters";
import { dayWords, grouped } from "./groups";
import { commandOf, type Command } from "./keys";
import { createList } from "./list";
import { createOnScreen } from "./onscreen";
import type { RowHooks } from "./row";
import { createSettings, type Choice } from "./settings";
import { createStandIn } from "./stand-in";
import { timeWords } from "./times";

export interface PanelHooks extends Pick<RowHooks, "onOpen" | "onAction"> {
  onClose(): void;
  say(text: string): void;
}

export interface Panel {
  element: HTMLElement;
  render(): void;
  arrived(count: number): void;
  /** One more switch in the settings. */
  offer(choice: Choice): void;
  /** Where keys act at once. */
  focus(): void;
  stop(): void;
}

/** tag: a section is a region of the page.   host: its attributes say what the page offers. */
export function createPanel(
  tag: "dialog" | "section",
  id: string,
  host: Element,
  inbox: Inbox,
  speech: Speech,
  clock: Clock,
  hooks: PanelHooks,
): Panel {
  const { messages } = speech;
  const days = dayWords(speech.locale);
  let above = 0;

  const look = createOnScreen(clock, (ids) => {
    if (document.visibilityState !== "visible") return;
    if (host.getAttribute("read-on") === "view") inbox.markRead(ids);
    else inbox.markSeen(ids);
  });
  const archive = (item: Item): void => (isHere(item) ? inbox.archive : inbox.unarchive)([item.id]);
  const toggleRead = (item: Item): void => (isUnread(item) ? inbox.markRead : inbox.markUnread)([item.id]);

  const word = h("span", "word");
  const markAll = iconButton("checks", messages.markAllRead, () => inbox.getState().counts.unread > 0 && inbox.markAllRead());
  const settings = createSettings(messages);
  const gear = iconButton("settings", messages.settings, toggleSettings);
  const close = iconButton("close", messages.close, hooks.onClose, "close");
  const filters = createFilters(speech, inbox);
  const standIn = createStandIn(messages, () => void inbox.load());
  const more = h("div", "more", {}, messages.loading);
  const list = createList(
    speech,
    timeWords(speech.locale),
    {
      ...hooks,
      onArchive: archive,
      onToggleRead: toggleRead,
      onNearEnd: () => void inbox.loadMore(),
      onTop: () => setAbove(0),
      onEntered: look.entered,
      onLeft: look.left,
    },
    more,
  );
  const pill = button("pill", () => list.move(-Infinity));
  const bar = createBar(speech, inbox, hooks.say);
  const title = h("h2", "heading-text", { id: `${id}-title` }, messages.title);
  const element: HTMLElement = h(
    tag,
    "panel",
    { id, tabindex: -1, "aria-labelledby": title.id },
    h("div", "head", {}, title, word, markAll, gear, close),
    settings.element,
    ...filters.elements,
    h("div", "content", {}, pill, list.element, ...standIn.elements),
    bar.element,
  );
  settings.offer({
    name: "unreadFirst",
    isPossible: () => true,
    isOn: () => inbox.getState().sort === "unread",
    turn: (isOn) => inbox.setSort(isOn ? "unread" : "time"),
  });
  element.addEventListener("keydown", onKey);

  function toggleSettings(): void {
    settings.element.hidden = !settings.element.hidden;
    render();
  }

  function setAbove(count: number): void {
    above = count;
    pill.hidden = count === 0;
    setText(pill, `↑ ${speech.count(messages.arrived, count)}`);
  }

  function onKey(event: KeyboardEvent): void {
    const command = commandOf(event);
    const target = event.composedPath()[0] as Element;
    if (!command || !(list.hasFocus() || target === element)) return;
    // On a control of the row, Enter is the control's.
    if (command.name === "open" && !target.matches("article")) return;
    event.preventDefault();
    obey(command);
  }

  function obey(command: Command): void {
    if (command.name === "undo") return inbox.undo();
    // The first arrow only enters the list.
    if (command.name === "move") return list.move(list.hasFocus() ? command.by : 0);
    const item = list.current();
    if (!item || !list.hasFocus()) return;
    if (command.name === "open") list.open();
    else if (command.name === "archive") archive(item);
    else toggleRead(item);
  }

  function render(): void {
    const state = inbox.getState();
    const { items, counts, hasMore, leading } = state;
    const now = clock.now();
    const hadFocus = element.matches(":focus-within");
    setText(word, wordFor(state, messages));
    set(word, { "data-connection": state.connection.name });
    set(markAll, { "aria-disabled": counts.unread === 0 });
    set(gear, { "aria-expanded": String(!settings.element.hidden) });
    settings.render();
    filters.render(state, [...(host.getAttribute("categories")?.match(/[^\s,]+/g) ?? []), ...state.categories]);
    list.element.hidden = items.length === 0;
    list.render(grouped(items, now, days, { count: leading, label: messages.unread }), now, !hasMore);
    more.hidden = !hasMore;
    standIn.render(state);
    bar.render(state);
    if (hadFocus && !isFocusKept()) focus();
  }

  /** What is gone must not take the focus along: from the page's body no key would reach us. */
  function isFocusKept(): boolean {
    const focused = (element.getRootNode() as ShadowRoot).activeElement;
    return focused !== null && !focused.closest("[hidden], .bar:not([data-shown])");
  }

  function focus(): void {
    element.focus();
    list.move(0);
  }

  setAbove(0);
  return {
    element,
    render,
    offer: settings.offer,
    arrived: (count) => setAbove(list.isHeld() ? above + count : 0),
    focus,
    stop() {
      list.stop();
      look.stop();
    },
  };
}

/** Nothing while all is well. What was refused at the start, as with a token that has expired, is not tried again. */
function wordFor({ connection: { name }, status }: InboxState, messages: Speech["messages"]): string {
  if (status.name === "failed" && !status.willRetry) return messages.closed;
  return name === "offline" || name === "waiting" || name === "closed" ? messages[name] : "";
}
