/** The words of the inbox: which there are, and which language is spoken. One file per language beside this one. */

import { ar } from "./ar";
import { de } from "./de";
import { en } from "./en";
import { es } from "./es";
import { fr } from "./fr";
import { ja } from "./ja";

/** By the plural categories of the language (CLDR). {n} is the number. */
export type Plural = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

export interface Messages {
  title: string;
  all: string;
  unread: string;
  archived: string;
  markAllRead: string;
  markRead: string;
  markUnread: string;
  archive: string;
  unarchive: string;
  settings: string;
  close: string;
  unreadFirst: string;
  sound: string;
  desktop: string;
  urgent: string;
  arrived: Plural;
  undo: string;
  allRead: string;
  undoArchived: string;
  takenBack: string;
  emptyAll: string;
  emptyOther: string;
  loading: string;
  failed: string;
  retry: string;
  offline: string;
  waiting: string;
  closed: string;
}

export const LANGUAGES: Readonly<Record<string, Messages>> = { en, de, es, fr, ja, ar };

/** A language and how to speak it. locale: for dates and numbers; it keeps the region of what was asked for. */
export interface Speech {
  locale: string;
  messages: Messages;
  count(plural: Plural, n: number): string;
  number(n: number): string;
}

/** wanted: tags as in de-AT, the best first. */
export function speak(wanted: readonly string[], override: Partial<Messages> = {}): Speech {
  const locale = wanted.find((tag) => LANGUAGES[baseOf(tag)]) ?? "en";
  const rules = new Intl.PluralRules(locale);
  const numbers = new Intl.NumberFormat(locale);
  return {
    locale,
    messages: { ...(LANGUAGES[baseOf(locale)] ?? en), ...override },
    count: (plural, n) => (plural[rules.select(n)] ?? plural.other).replace("{n}", numbers.format(n)),
    number: numbers.format,
  };
}

const baseOf = (tag: string): string => tag.toLowerCase().split("-")[0] ?? "";
