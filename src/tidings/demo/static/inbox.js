// An inbox as one device knows it: a snapshot, then every event of the stream applied in order. No DOM here.

/** Which items a mark concerns, and what it does to them; unarchived is missing because the item itself is. */
const NEEDS = {
  seen: (item) => !item.seen_at,
  read: (item) => !item.read_at,
  unread: (item) => item.read_at,
  archived: () => true,
};
const CHANGES = {
  seen: (item, at) => ({ ...item, seen_at: at }),
  read: (item, at) => ({ ...item, seen_at: item.seen_at ?? at, read_at: at }),
  unread: (item) => ({ ...item, read_at: null }),
};

export class Inbox {
  constructor() {
    this.items = new Map();
    this.counts = { total: 0, unseen: 0, unread: 0 };
  }

  /** Newest first: ids are UUIDv7, in the order of time. */
  ordered() {
    return [...this.items.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
  }

  replace(items) {
    this.items = new Map(items.map((item) => [item.id, item]));
  }

  /** False if it was here already: after a resume an event may come twice, and its id tells. */
  add(item) {
    if (this.items.has(item.id)) return false;
    if (item.collapse_key) this.dropCollapsed(item);
    this.items.set(item.id, { ...item, seen_at: null, read_at: null });
    this.counts = { total: this.counts.total + 1, unseen: this.counts.unseen + 1, unread: this.counts.unread + 1 };
    return true;
  }

  dropCollapsed({ collapse_key: key }) {
    for (const item of this.items.values()) if (item.collapse_key === key) this.items.delete(item.id);
  }

  /** Apply a mark, ours or another device's. Answers the ids of the items that it changed. */
  apply({ change, ids, up_to: upTo, at }) {
    const named = ids ?? [...this.items.keys()].filter((id) => id <= upTo);
    const changed = named.filter((id) => this.items.has(id) && NEEDS[change]?.(this.items.get(id)));
    for (const id of changed) {
      if (change === "archived") this.items.delete(id);
      else this.items.set(id, CHANGES[change](this.items.get(id), at));
    }
    return changed;
  }

  remove(id) {
    return this.items.delete(id);
  }

  unreadHere() {
    return [...this.items.values()].some((item) => !item.read_at);
  }
}
