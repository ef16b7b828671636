import { describe, expect, test } from "vitest";
import { en } from "../src/messages/en";
import { LANGUAGES, languageFor, speak, type Plural } from "../src/messages/messages";

const all = await Promise.all(Object.keys(LANGUAGES).map(async (language) => [language, (await languageFor([language])).messages] as const));

describe.each(all)("%s", (language, messages) => {
  const plurals = Object.values(messages).filter((message): message is Plural => typeof message !== "string");

  test("says everything", () => {
    expect(Object.keys(messages).sort()).toEqual(Object.keys(en).sort());
    expect(Object.values(messages).every((message) => message !== "")).toBe(true);
  });

  test("has a form for every number", () => {
    const forms = new Set(new Intl.PluralRules(language).resolvedOptions().pluralCategories);
    forms.delete("many"); // of millions in Spanish and French: `other` says it
    if (language === "ar") forms.add("many");
    for (const plural of plurals) expect(Object.keys(plural)).toEqual(expect.arrayContaining([...forms]));
  });

  test("leaves no gap in a sentence", () => {
    const { count } = speak({ locale: language, messages });
    for (const plural of plurals) for (const n of [0, 1, 2, 3, 11, 100, 1_000_000]) expect(count(plural, n)).not.toContain("{");
  });
});

test("the nearest language that is spoken is taken, with the region that was asked for", async () => {
  const { de } = await import("../src/messages/de");
  expect(await languageFor(["pt-BR", "de-AT", "en"])).toEqual({ locale: "de-AT", messages: de });
  expect((await languageFor(["zh"])).locale).toBe("en");
});

test.each([
  ["en-US@posix", "en"],
  ["de-", "de"],
  ["de_AT", "de"],
  ["constructor", "en"],
  ["__proto__", "en"],
  ["", "en"],
])("%j, which is no language tag, is spoken as %s", async (tag, locale) => {
  const language = await languageFor([tag]);
  expect(language.locale).toBe(locale);
  expect(speak(language).number(1)).toBe("1");
});

test("the page's own words come first", () => {
  expect(speak({ locale: "en", messages: en }, { title: "News" }).messages).toMatchObject({ title: "News", undo: "Undo" });
});

test("numbers choose the form", async () => {
  const { count, messages } = speak(await languageFor(["ar"]));
  expect(count(messages.arrived, 2)).toBe("إشعاران جديدان");
  expect(speak({ locale: "en", messages: en }).count({ one: "{n} thing", other: "{n} things" }, 1200)).toBe("1,200 things");
});
