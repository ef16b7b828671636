/** Which key does what in the list: the WAI-ARIA feed pattern, the arrows, and letters as in a mail program. Pure. */

export type Command =
  /** by: so many rows; Infinity is to the end. */
  | { name: "move"; by: number }
  | { name: "open" }
  | { name: "archive" }
  | { name: "toggle-read" }
  | { name: "undo" };

const COMMANDS: Readonly<Record<string, Command>> = {
  PageDown: { name: "move", by: 1 },
  ArrowDown: { name: "move", by: 1 },
  PageUp: { name: "move", by: -1 },
  ArrowUp: { name: "move", by: -1 },
  Home: { name: "move", by: -Infinity },
  End: { name: "move", by: Infinity },
  Enter: { name: "open" },
  e: { name: "archive" },
  u: { name: "toggle-read" },
  z: { name: "undo" },
};

type Pressed = Pick<KeyboardEvent, "key" | "ctrlKey" | "altKey" | "metaKey">;

/** null: not ours. With a modifier a key belongs to the browser. */
export function commandOf({ key, ctrlKey, altKey, metaKey }: Pressed): Command | null {
  return ctrlKey || altKey || metaKey ? null : (COMMANDS[key] ?? null);
}
