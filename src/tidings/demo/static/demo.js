// The demo page: who is on it, what is sent, how the server is, and the raw events. Devices live in device.js.

import { Account, health, outage, retract, send } from "./api.js";
import { Device } from "./device.js";
import { byClass, clockTime, clone, element, milliseconds } from "./dom.js";

const PEOPLE = [
  { person: "ana", name: "Ana", devices: ["laptop", "phone"] },
  { person: "ben", name: "Ben", devices: ["laptop"] },
];
const AUDIENCES = { ana: "Ana", ben: "Ben", both: "Ana and Ben", topic: "#release-notes" };
const SAMPLES = [
  ["Your export is ready", "1,204 rows, 3.1 MB. The link works for a week."],
  ["Mira commented on “Pricing page”", "“Can we say this in one sentence?”"],
  ["Build 318 passed", "All 1,482 checks, in 4 min 12 s."],
  ["Tidings 2.4 is out", "Digests, quiet hours, and a faster inbox."],
  ["Invoice #2071 was paid", "€ 420.00 from Halden Books."],
];
const HEALTH = { ok: ["all systems go", "good"], degraded: ["degraded, still delivering", "warn"], unreachable: ["unreachable", "bad"] };
const HEALTH_EVERY_MS = 2500;
const PAUSE_HIDDEN_AFTER_MS = 5000;
const LOG_LINES = 200;

const $ = (id) => document.getElementById(id);
const clicks = new Map();
const sent = new Map();
const everyDevice = [];
let sample = 0;
let logged = 0;

// People and devices ---------------------------------------------------------------------------------------------------

function drawPerson({ person, name, devices }) {
  const section = clone("person-template");
  section.dataset.person = person;
  section.querySelector("h2").textContent = name;
  section.querySelector(".avatar").textContent = name[0];
  section.querySelector(".hint").textContent = devices.length > 1 ? `${devices.length} devices, one inbox` : "1 device";
  const account = new Account(person);
  const hears = { event: logEvent, arrived: noteArrival };
  for (const kind of devices) {
    const device = new Device({ kind, name, account, clicks, hears });
    section.querySelector(".devices").append(device.root);
    everyDevice.push(device);
  }
  $("stage").append(section);
}

// Sending --------------------------------------------------------------------------------------------------------------

async function onSend(event) {
  event.preventDefault();
  const form = $("composer");
  const [to, title, body] = ["to", "title", "body"].map((name) => form.elements[name].value);
  const nonce = crypto.getRandomValues(new Uint32Array(2)).join("-");
  clicks.set(nonce, { at: performance.now(), wall: Date.now() });
  sent.set(nonce, { title, to, arrivals: [], id: null, committed: null });
  showFailure("");
  try {
    const { id, committed_ms: committed } = await send(to, title, body, nonce);
    Object.assign(sent.get(nonce), { id, committed });
    drawSent(nonce);
    nextSample(form);
  } catch (error) {
    sent.delete(nonce);
    showFailure(error.message);
  }
}

/** The next sample, unless the visitor writes something of their own. */
function nextSample(form) {
  const [title, body] = SAMPLES[sample];
  if (form.elements.title.value !== title) return;
  if (form.elements.body.value !== body) return;
  sample = (sample + 1) % SAMPLES.length;
  fillSample(form);
}

function fillSample(form) {
  [form.elements.title.value, form.elements.body.value] = SAMPLES[sample];
}

function noteArrival(device, item, took) {
  const nonce = item.data?.demo;
  const one = sent.get(nonce);
  if (!one) return;
  if (one.arrivals.length === 0) $("announcer").textContent = `${item.title}: arrived${took === null ? " late" : ` after ${milliseconds(took)}`}`;
  one.arrivals.push({ label: device.label, took });
  if (one.row) drawSent(nonce);
}

function drawSent(nonce) {
  const one = sent.get(nonce);
  one.row ??= newSentRow(one);
  byClass(one.row)("sent-meta").replaceChildren(...journey(one));
}

function newSentRow(one) {
  const row = clone("sent-template");
  const part = byClass(row);
  part("sent-title").textContent = one.title;
  part("retract").setAttribute("aria-label", `Retract “${one.title}”`);
  part("retract").addEventListener("click", () => onRetract(one));
  $("sent").prepend(row);
  while ($("sent").childElementCount > 4) $("sent").lastElementChild.remove();
  $("sent-empty").hidden = true;
  return row;
}

/** As in: to Ana · committed 3.9 ms · on screen 9–12 ms. */
function journey({ to, committed, arrivals, retracted }) {
  const parts = [element("span", "", `to ${AUDIENCES[to]}`)];
  if (committed !== null) parts.push(element("span", "", `committed ${milliseconds(committed)}`));
  const live = arrivals.map((one) => one.took).filter((took) => took !== null);
  const late = arrivals.length - live.length;
  if (live.length > 0) parts.push(element("span", "took", `${live.length > 1 ? `${live.length} screens` : "1 screen"} ${range(live)}`));
  if (late > 0) parts.push(element("span", "late", `${late} caught up`));
  if (retracted) parts.push(element("span", "late", "retracted"));
  return parts;
}

function range(times) {
  const [least, most] = [Math.min(...times), Math.max(...times)].map(milliseconds);
  return least === most ? least : `${least.replace(/ ms$/, "")}–${most}`;
}

async function onRetract(one) {
  const button = byClass(one.row)("retract");
  button.disabled = true;
  try {
    await retract(one.id);
    one.retracted = true;
    one.row.classList.add("retracted");
    byClass(one.row)("sent-meta").replaceChildren(...journey(one));
  } catch (error) {
    button.disabled = false;
    showFailure(error.message);
  }
}

function showFailure(text) {
  $("failure").textContent = text;
  $("failure").hidden = text === "";
}

// The server's health ----------------------------------------------------------------------------------------------------

async function tellOutage() {
  const { freeze, thaw } = await outage().catch(() => ({ freeze: "", thaw: "" }));
  $("freeze").textContent = freeze;
  $("thaw").textContent = thaw;
}

async function watchHealth() {
  const { status, checks } = await health();
  const [word, tone] = HEALTH[status] ?? [String(status ?? "down"), "bad"];
  $("health-word").textContent = word;
  $("health").querySelector(".chip").dataset.tone = tone;
  document.documentElement.dataset.health = status;
  $("health-checks").replaceChildren(...Object.entries(checks ?? {}).flatMap(checkRow));
  setTimeout(watchHealth, document.hidden ? 4 * HEALTH_EVERY_MS : HEALTH_EVERY_MS);
}

function checkRow([name, { status, detail }]) {
  const value = element("dd", "", detail ?? status);
  value.dataset.tone = status === "ok" ? "good" : "warn";
  return [element("dt", "", name), value];
}

// The raw events -----------------------------------------------------------------------------------------------------------

function logEvent(device, { type, id, data }) {
  const row = element("tr");
  const cells = [clockTime(Date.now()), device.label, type, id ?? "", JSON.stringify(data)].map((text) => element("td", "", text));
  row.append(...cells);
  $("log-rows").prepend(row);
  while ($("log-rows").childElementCount > LOG_LINES) $("log-rows").lastElementChild.remove();
  $("log-count").textContent = String(++logged);
}

// The page -------------------------------------------------------------------------------------------------------------------

function toggleTheme() {
  const root = document.documentElement;
  const isDark = (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  root.dataset.theme = isDark ? "light" : "dark";
  try {
    localStorage.setItem("tidings-theme", root.dataset.theme);
  } catch {
    // Storage is switched off: the choice lasts as long as the page.
  }
}

let pausing;
function onVisibility() {
  clearTimeout(pausing);
  if (document.hidden) pausing = setTimeout(() => everyDevice.forEach((device) => device.pause(true)), PAUSE_HIDDEN_AFTER_MS);
  else everyDevice.forEach((device) => device.pause(false));
}

function closeHealth(event) {
  const isOutside = event.type === "click" && !$("health").contains(event.target);
  if (isOutside || event.key === "Escape") $("health").open = false;
}

/** Enter sends from the title, Ctrl+Enter (or ⌘) from the body. */
function sendByKey(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("composer").requestSubmit();
}

fillSample($("composer"));
$("composer").addEventListener("submit", onSend);
$("composer").elements.body.addEventListener("keydown", sendByKey);
$("theme-toggle").addEventListener("click", toggleTheme);
document.addEventListener("visibilitychange", onVisibility);
document.addEventListener("click", closeHealth);
document.addEventListener("keydown", closeHealth);
PEOPLE.forEach(drawPerson);
watchHealth();
tellOutage();
