import { describe, expect, test } from "vitest";
import { LANGUAGES, speak, type Plural } from "../src/messages/messages";

describe.each(Object.entries(LANGUAGES))("%s", (language, messages) => {
  const plurals = Object.values(messages).filter((message): message is Plural => typeof message !== "string");

  test("says everything", () => {
    expect(Object.keys(messages).sort()).toEqual(Object.keys(LANGUAGES.en ?? {}).sort());
    expect(Object.values(messages).every((message) => message !== "")).toBe(true);
  });

  test("has a form for every number", () => {
    const forms = new Set(new Intl.PluralRules(language).resolvedOptions().pluralCategories);
    forms.delete("many"); // of millions in Spanish and French: `other` says it
    if (language === "ar") forms.add("many");
    for (const plural of plurals) expect(Object.keys(plural)).toEqual(expect.arrayContaining([...forms]));
  });

  test("leaves no gap in a sentence", () => {
    const { count } = speak([language]);
    for (const plural of plurals) for (const n of [0, 1, 2, 3, 11, 100, 1_000_000]) expect(count(plural, n)).not.toContain("{");
  });
});

test("the nearest language that is spoken is taken, with the region that was asked for", () => {
  expect(speak(["pt-BR", "de-AT", "en"])).toMatchObject({ locale: "de-AT", messages: LANGUAGES.de });
  expect(speak(["zh"]).locale).toBe("en");
});

test("the page's own words come first", () => {
  expect(speak(["en"], { title: "News" }).messages).toMatchObject({ title: "News", undo: "Undo" });
});

test("numbers choose the form", () => {
  const { count, messages } = speak(["ar"]);
  expect(count(messages.arrived, 2)).toBe("إشعاران جديدان");
  expect(speak(["en"]).count({ one: "{n} thing", other: "{n} things" }, 1200)).toBe("1,200 things");
});
