/**
 * The words of the inbox: which there are, and which language is spoken. One file per language beside this one, loaded when it is spoken:
 * together they are a tenth of the inbox, and everybody needs one.
 */

import { en } from "./en";

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

export const LANGUAGES: Readonly<Record<string, () => Promise<Messages>>> = {
  en: async () => en,
  de: async () => (await import("./de")).de,
  es: async () => (await import("./es")).es,
  fr: async () => (await import("./fr")).fr,
  ja: async () => (await import("./ja")).ja,
  ar: async () => (await import("./ar")).ar,
};

/** locale: for dates and numbers; it keeps the region of what was asked for. */
export interface Language {
  locale: string;
  messages: Messages;
}

/** A language and how to speak it. */
export interface Speech extends Language {
  count(plural: Plural, n: number): string;
  number(n: number): string;
}

/** wanted: tags as in de-AT, the best first. English where none of them is known, or its words cannot be had. */
export async function languageFor(wanted: readonly string[]): Promise<Language> {
  for (const tag of wanted) {
    const language = baseOf(tag);
    const messages = Object.hasOwn(LANGUAGES, language) && (await LANGUAGES[language]?.().catch(() => undefined));
    if (messages) return { locale: localeOf(tag) ?? language, messages };
  }
  return { locale: "en", messages: en };
}

export function speak({ locale, messages }: Language, override: Partial<Messages> = {}): Speech {
  const rules = new Intl.PluralRules(locale);
  const numbers = new Intl.NumberFormat(locale);
  return {
    locale,
    messages: { ...messages, ...override },
    count: (plural, n) => (plural[rules.select(n)] ?? plural.other).replace("{n}", numbers.format(n)),
    number: numbers.format,
  };
}

const baseOf = (tag: string): string => tag.toLowerCase().split(/[-_@]/)[0] ?? "";

/** undefined for what is none, as in `en-US@posix`, and would be an error wherever a number or a date is written. */
function localeOf(tag: string): string | undefined {
  try {
    return Intl.getCanonicalLocales(tag)[0];
  } catch {
    return undefined;
  }
}
