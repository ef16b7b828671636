import { afterEach, describe, expect, test } from "vitest";
import { actionsOf } from "../src/element/actions";
import { createAnnouncer } from "../src/element/announcer";
import { dayOf, dayWords, grouped } from "../src/element/groups";
import { commandOf } from "../src/element/keys";
import { createOnScreen } from "../src/element/onscreen";
import { placeBy } from "../src/element/place";
import { categoryName } from "../src/element/row";
import { timeWords } from "../src/element/times";
import { safeUrl } from "../src/element/urls";
import { drift, offsetsOf, rowAt, windowOf } from "../src/element/virtual";
import { createClock, item } from "./fakes";

const BASE = "https://app.example/inbox/";

describe("addresses", () => {
  test.each([
    ["/exports/17", "https://app.example/exports/17"],
    ["exports", "https://app.example/inbox/exports"],
    ["https://other.example/x", "https://other.example/x"],
    ["//other.example/x", "https://other.example/x"],
  ])("%s may be followed", (url, href) => expect(safeUrl(url, BASE)).toBe(href));

  const scripts = ["javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "vbscript:x"];
  const others = ["data:text/html,x", "blob:https://x/y", "file:///etc/passwd", "http://", "", null, 7];
  test.each([...scripts, ...others])("%j may not", (url) => expect(safeUrl(url, BASE)).toBe(null));
});

describe("actions", () => {
  test("are read field by field", () => {
    const data = { actions: [{ label: "Pay", url: "/pay", style: "primary" }, { label: "Later", id: "later" }] };
    expect(actionsOf(data, BASE)).toEqual([
      { label: "Pay", id: null, url: "https://app.example/pay", isPrimary: true },
      { label: "Later", id: "later", url: null, isPrimary: false },
    ]);
  });

  test.each([null, "x", { actions: "x" }, { actions: [null, 1, {}, { label: 7 }, { label: "" }, { label: "Bad", url: "javascript:x" }] }])(
    "%j has none",
    (data) => expect(actionsOf(data, BASE)).toEqual([]),
  );
});

describe("days", () => {
  const zone = process.env.TZ;
  afterEach(() => void (zone === undefined ? delete process.env.TZ : (process.env.TZ = zone)));
  const labels = (now: string, ...times: string[]): string[] =>
    grouped(times.map((created_at, n) => item(n, { created_at })), Date.parse(now), dayWords("en"), { count: 0, label: "Unread" }).flatMap(
      (entry) => (entry.kind === "heading" ? entry.label : []),
    );

  test("midnight divides today from yesterday, here and not in UTC", () => {
    process.env.TZ = "Pacific/Auckland"; // UTC+13
    const days = labels("2025-11-25T12:00:00Z", "2025-11-25T11:30:00Z", "2025-11-25T10:30:00Z", "2025-11-24T10:30:00Z");
    expect(days).toEqual(["Today", "Yesterday", "Monday"]);
    process.env.TZ = "America/Los_Angeles"; // UTC-8
    expect(labels("2025-11-25T12:00:00Z", "2025-11-25T11:30:00Z", "2025-11-25T07:30:00Z")).toEqual(["Today", "Yesterday"]);
  });

  test("a day of 25 hours is one day", () => {
    process.env.TZ = "Europe/Berlin"; // the clocks went back on 26 October 2025
    expect(labels("2025-10-27T22:30:00Z", "2025-10-26T22:30:00Z", "2025-10-25T22:30:00Z")).toEqual(["Yesterday"]);
    expect(dayOf(Date.parse("2025-10-27T00:00:00Z")) - dayOf(Date.parse("2025-10-25T00:00:00Z"))).toBe(2);
  });

  test("further back there are dates, and from a clock ahead of ours it is today", () => {
    process.env.TZ = "UTC";
    expect(labels("2025-11-25T12:00:00Z", "2025-11-26T00:10:00Z", "2025-11-19T12:00:00Z", "2025-11-18T12:00:00Z", "2024-11-18T12:00:00Z")).toEqual([
      "Today",
      "Wednesday",
      "November 18, 2025",
      "November 18, 2024",
    ]);
  });

  test("what leads stands under its own heading, and places count items only", () => {
    process.env.TZ = "UTC";
    const items = [item(3, { created_at: "2025-11-01T00:00:00Z" }), item(2), item(1)];
    const entries = grouped(items, Date.parse("2025-11-25T12:00:00Z"), dayWords("de"), { count: 1, label: "Ungelesen" });
    expect(entries.map((entry) => (entry.kind === "heading" ? entry.label : entry.position))).toEqual(["Ungelesen", 1, "Heute", 2, 3]);
  });
});

test.each([
  [0, "now"],
  [59_000, "now"],
  [-5000, "now"],
  [60_000, "1 min. ago"],
  [3_599_000, "59 min. ago"],
  [3 * 3_600_000, "3 hr. ago"],
  [2 * 86_400_000, "2 days ago"],
  [8 * 86_400_000, "Nov 17"],
])("%i ms ago is %s", (passed, words) => {
  const now = Date.parse("2025-11-25T12:00:00Z");
  expect(timeWords("en").relative(now - passed, now)).toBe(words);
});

describe("the window of the list", () => {
  const offsets = offsetsOf([40, 100, 50, 200, 80]);

  test("offsets end where the list ends", () => expect(offsets).toEqual([0, 40, 140, 190, 390, 470]));

  test.each([
    [-10, 0],
    [0, 0],
    [39, 0],
    [40, 1],
    [389, 3],
    [390, 4],
    [9999, 4],
  ])("at %i is row %i", (distance, row) => expect(rowAt(offsets, distance)).toBe(row));

  test("it holds what is in view, and the margin", () => {
    expect(windowOf(offsets, 150, 30, 0)).toEqual({ first: 2, end: 3 });
    expect(windowOf(offsets, 150, 30, 100)).toEqual({ first: 1, end: 4 });
    expect(windowOf(offsets, 9999, 100, 10)).toEqual({ first: 4, end: 5 });
    expect(windowOf(offsetsOf([]), 0, 100, 10)).toEqual({ first: 0, end: 0 });
  });

  test("of ten thousand rows few are drawn", () => {
    const long = offsetsOf(Array.from({ length: 10_000 }, (_, n) => 60 + (n % 5) * 20));
    const { first, end } = windowOf(long, 500_000, 600, 400);
    expect(end - first).toBeLessThan(20);
    expect(long[first]).toBeLessThanOrEqual(499_600);
    expect(long[end]).toBeGreaterThan(501_000);
  });

  test("what one looks at holds: the first row in view that is still there", () => {
    expect(drift([100, 200], [184, 284])).toBe(84);
    expect(drift([100, 200], [undefined, 120])).toBe(-80);
    expect(drift([100], [undefined])).toBe(0);
    expect(drift([], [])).toBe(0);
  });
});

test("arrivals within two seconds are one sentence", async () => {
  const clock = createClock();
  const said: string[] = [];
  const announcer = createAnnouncer((text) => said.push(text), (count) => `${count} new`, clock);
  announcer.arrived(1);
  await clock.pass(1500);
  announcer.arrived(2);
  expect(said).toEqual([]);
  await clock.pass(500);
  expect(said).toEqual(["3 new"]);
  announcer.arrived(1);
  announcer.say("Archived");
  await clock.pass(2000);
  expect(said).toEqual(["3 new", "Archived", "1 new"]);
});

test("what was on the screen long enough is told together, what only passed is not", async () => {
  const clock = createClock();
  const told: string[][] = [];
  const onScreen = createOnScreen(clock, (ids) => told.push(ids));
  onScreen.entered("a");
  onScreen.entered("b");
  onScreen.entered("c");
  await clock.pass(300);
  onScreen.left("b");
  await clock.pass(5000);
  expect(told).toEqual([["a", "c"]]);
});

describe("keys", () => {
  const press = (key: string, over = {}): unknown => commandOf({ key, ctrlKey: false, altKey: false, metaKey: false, ...over });

  test("of the feed pattern and of a mail program", () => {
    expect(press("PageDown")).toEqual({ name: "move", by: 1 });
    expect(press("ArrowUp")).toEqual({ name: "move", by: -1 });
    expect(press("End")).toEqual({ name: "move", by: Infinity });
    expect(press("e")).toEqual({ name: "archive" });
  });

  test("with a modifier belong to the browser", () => expect(press("u", { ctrlKey: true })).toBe(null));
});

test("a category that is no text, as another tab may say, is written all the same", () => {
  expect(categoryName("data_exports")).toBe("Data exports");
  expect(categoryName(5 as unknown as string)).toBe("5");
});

describe("the panel", () => {
  const page = { width: 1000, height: 800 };
  const bell = (left: number, top: number): Parameters<typeof placeBy>[0] => ({ left, right: left + 40, top, bottom: top + 40 });

  test("opens below the bell, its end at the bell's end", () => {
    expect(placeBy(bell(900, 10), 420, page, false)).toEqual({ left: "520px", top: "58px", bottom: "auto", maxHeight: "730px" });
    expect(placeBy(bell(60, 10), 420, page, true).left).toBe("60px");
  });

  test("stays inside the window", () => {
    expect(placeBy(bell(10, 10), 420, page, false).left).toBe("12px");
    expect(placeBy(bell(950, 10), 420, page, true).left).toBe("568px");
  });

  test("keeps a height that one can read in where the window is low, and covers the bell rather", () => {
    const low = { width: 1000, height: 400 };
    expect(placeBy(bell(900, 180), 420, low, false)).toMatchObject({ top: "68px", bottom: "auto", maxHeight: "320px" });
    expect(placeBy(bell(900, 200), 420, low, false)).toMatchObject({ top: "auto", bottom: "68px", maxHeight: "320px" });
    expect(placeBy(bell(900, 0), 420, { width: 1000, height: 200 }, false)).toMatchObject({ top: "12px", maxHeight: "176px" });
  });

  test("opens above a bell that is low on the page", () => {
    expect(placeBy(bell(900, 740), 420, page, false)).toMatchObject({ top: "auto", bottom: "68px", maxHeight: "720px" });
  });
});
