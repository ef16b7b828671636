// The few things that every part of the page does with the DOM.

export const clone = (template) => document.getElementById(template).content.firstElementChild.cloneNode(true);

/** A finder of the parts of an element by their class. */
export const byClass = (root) => (name) => root.querySelector(`.${name}`);

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

export const clockTime = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** As in 8.4 ms, 124 ms, 1.9 s. */
export function milliseconds(took) {
  if (took < 10) return `${took.toFixed(1)} ms`;
  return took < 1000 ? `${Math.round(took)} ms` : `${(took / 1000).toFixed(1)} s`;
}
