/** What an inbox keeps, in one place: its reader fills it, its marks change it, and its state is told from it. */

import type { Known, Status } from "./state";
import type { Reaches, Selection } from "./lists";

export interface Book {
  known: Known;
  reaches: Reaches;
  selection: Selection;
  status: Status;
}

export function emptyBook(): Book {
  return {
    known: { items: new Map(), counts: { total: 0, unseen: 0, unread: 0 } },
    reaches: new Map(),
    selection: { view: "all", category: null, sort: "time", lingering: new Set() },
    status: { name: "loading" },
  };
}
